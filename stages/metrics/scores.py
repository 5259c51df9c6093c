"""What a column of a table counts of one response: its score, 0 to 1, from the answer and the spans that were read."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from stages.interval_iou import Interval, interval_set_iou
from stages.metrics.grounding import best_iop, best_iou
from storage.records import Sample


@dataclass(frozen=True, slots=True)
class Read:
    """What a form of evaluation reads in one response. accuracy: 0 to 1; spans: in seconds, none if none is named."""

    answer: str | None
    accuracy: float
    spans: tuple[Interval, ...]


Score = Callable[[Read, Sample], float]


def accuracy(read: Read, sample: Sample) -> float:
    """The answer is right; of a number, as right as its benchmark says."""
    return read.accuracy


def iou(read: Read, sample: Sample) -> float:
    """IoU of the first span with the true span that it fits best."""
    return best_iou(read.spans, sample.spans)


def iop(read: Read, sample: Sample) -> float:
    """Share of the first span inside the true span that holds most of it."""
    return best_iop(read.spans, sample.spans)


def set_iou(read: Read, sample: Sample) -> float:
    """IoU of all spans with all true spans, as sets of seconds."""
    return interval_set_iou(read.spans, sample.spans)


def at_least(score: Score, threshold: float) -> Score:
    """1 from `threshold` on, as IoU@0.5 and R@0.5 count."""
    return lambda read, sample: float(score(read, sample) >= threshold)


def grounded_accuracy(read: Read, sample: Sample) -> float:
    """Acc@GQA: the answer is right and at least half of the first span is inside a true one."""
    return float(read.accuracy == 1.0 and iop(read, sample) >= 0.5)
