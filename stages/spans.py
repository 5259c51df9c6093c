"""Time spans as an answer writes them: `0.5 to 1.5`, `[(0.5, 1.5), (2, 3)]`, `00:12 - 00:34`."""

from __future__ import annotations

import re

from stages.interval_iou import Interval, interval_set_iou
from storage.records import Sample

_CLOCK = r"(?:\d{1,2}:(?=[0-5]\d:))?\d{1,3}:(?=[0-5]\d(?!\d))"  # hours, minutes; behind a colon two digits below 60
_TIME = rf"(?:{_CLOCK})?(?:\d{{1,6}}(?:\.\d+)?|\.\d+)"
_UNIT = r"\s*(?:(?:seconds?|secs?|s)\b\s*)?"
_TO = rf"(?:from\s+)?{_TIME}{_UNIT}(?:to|until|[-\u2013\u2014\u2212~])\s*{_TIME}{_UNIT}"
_AND = rf"between\s+{_TIME}{_UNIT}and\s+{_TIME}{_UNIT}"
_PAIR = rf"{_TIME}{_UNIT},\s*{_TIME}{_UNIT}"
_SPAN = re.compile(rf"{_TO}|{_AND}|\(\s*(?:{_TO}|{_PAIR})\)|\[\s*(?:{_TO}|{_PAIR})\]", re.IGNORECASE)
_LONGEST = 2000
_NEXT = re.compile(r"\s*(?:[,;]\s*(?:and\b)?|and\b)\s*", re.IGNORECASE)


def read_spans(text: str) -> tuple[Interval, ...] | None:
    """The spans of `text` in seconds, as written; None if it holds anything else.

    A time is seconds (`1.5`, `1.5 s`) or a clock (`1:05`, `0:01:05`). A span is two of them with "to", "until" or a
    dash between, or "between ... and ...", or two with a comma in brackets, round or square; several have a comma, a
    semicolon or "and" between them. All of them may be in square brackets, and a full stop may end them. Of a single
    span with a comma the brackets may be left out. Text of more than 2,000 characters is not read.
    """
    text = text.strip().removesuffix(".").rstrip()
    if len(text) > _LONGEST:
        return None
    inside = text[1:-1].strip() if text.startswith("[") and text.endswith("]") else ""
    return _listed(text) or _listed(inside) or _listed(f"({text})")


def span_iou(predicted: str | None, sample: Sample) -> float:
    """IoU, 0 to 1, of the spans that `predicted` names with those of the sample; 0 if it names none."""
    spans = read_spans(predicted) if predicted is not None else None
    return interval_set_iou(spans, sample.spans) if spans else 0.0


def _listed(text: str) -> tuple[Interval, ...] | None:
    """The spans of a list that is nothing else."""
    spans, place = list[Interval](), 0
    while span := _SPAN.match(text, place):
        start, end = map(_seconds, re.findall(_TIME, span.group()))
        spans.append((start, end))
        if span.end() == len(text):
            return tuple(spans)
        if (following := _NEXT.match(text, span.end())) is None:
            return None
        place = following.end()
    return None


def _seconds(time: str) -> float:
    return sum(float(part) * 60.0**i for i, part in enumerate(reversed(time.split(":"))))
