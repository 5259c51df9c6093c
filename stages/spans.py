"""Time spans as an answer writes them: `0.5 to 1.5`, several with a comma, a semicolon or "and" between them."""

from __future__ import annotations

import re

from stages.interval_iou import Interval, interval_set_iou
from storage.records import Sample

_TIME = r"(?:(\d{1,4}):)?(\d{1,6}(?:\.\d{1,6})?)\s*(?:(?:seconds?|secs?|s)\b)?"
_SPAN = re.compile(rf"[(\[]?(?:from\s+)?{_TIME}\s*(?:to|until|,|-|–|—)\s*{_TIME}[)\]]?", re.IGNORECASE)
_BETWEEN = re.compile(r"\s*(?:[,;]\s*and|[,;]|and)\s*", re.IGNORECASE)
_LONGEST = 200


def read_spans(text: str) -> tuple[Interval, ...] | None:
    """The spans of `text` in seconds, as written; None if it holds anything else.

    A time is seconds (`1.5`, `1.5 s`) or minutes and seconds (`1:05`); a span is two of them with "to", "until", a dash
    or a comma between, in brackets or not. Brackets around all spans and a final full stop are left out.
    """
    rest = text.strip().removesuffix(".")
    if rest.startswith("[") and rest.endswith("]") and re.match(r"\[\s*[(\[]", rest):
        rest = rest[1:-1].strip()
    spans: list[Interval] = []
    while len(rest) <= _LONGEST and (span := _SPAN.match(rest)):
        minutes, seconds, end_minutes, end_seconds = span.groups()
        spans.append((_seconds(minutes, seconds), _seconds(end_minutes, end_seconds)))
        rest = rest[span.end() :]
        if not rest.strip():
            return tuple(spans)
        between = _BETWEEN.match(rest)
        if between is None:
            return None
        rest = rest[between.end() :]
    return None


def span_iou(predicted: str | None, sample: Sample) -> float:
    """IoU, 0 to 1, of the spans that `predicted` names with those of the sample; 0 if it names none."""
    spans = read_spans(predicted) if predicted is not None else None
    return interval_set_iou(spans, sample.spans) if spans else 0.0


def _seconds(minutes: str | None, seconds: str) -> float:
    return 60.0 * int(minutes or 0) + float(seconds)
