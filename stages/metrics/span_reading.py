"""Which seconds a response names: in its `<glue>` block (VideoChat-R1's tag, arXiv:2504.06958), else in its answer."""

from __future__ import annotations

import re

from stages.interval_iou import Interval
from stages.metrics.official import answer_text
from stages.spans import read_spans

_GLUE = re.compile(r"<glue>(.*?)</glue>", re.DOTALL)
_DECIMAL = re.compile(r"\d+(?:\.\d+)?")


def first_span(response: str) -> tuple[Interval, ...]:
    """The official form: the first span of the first such block, else of `answer_text`; the first two numbers, if it is
    not written as a span is; none if there are not two."""
    found = _GLUE.search(response)
    text = (found.group(1) if found else answer_text(response)).strip()
    if spans := read_spans(text):
        return spans[:1]
    numbers = [float(number) for number in _DECIMAL.findall(text)[:2]]
    return ((numbers[0], numbers[1]),) if len(numbers) == 2 else ()


def all_spans(response: str, answer: str | None) -> tuple[Interval, ...]:
    """The strict form: all spans of the only block, if it ends the response, or without one those of the accepted
    `answer`; none if anything else is in it."""
    if "<glue>" not in response:
        return read_spans(answer or "") or ()
    blocks = _GLUE.findall(response)
    return read_spans(blocks[0]) or () if len(blocks) == 1 and response.rstrip().endswith("</glue>") else ()
