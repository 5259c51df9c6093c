"""Temporal grounding: how well predicted seconds cover the true ones.

Two readings of several true spans, since published numbers use both. `best_iou` and `best_iop` are NExT-GQA's own
(arXiv:2309.01327): one predicted span, the best over the true ones, each on its own. `set_iou` (in
stages/interval_iou.py) is that of VideoChat-R1 (arXiv:2504.06958): all spans of either side as one set of seconds.
No prediction is 0; NExT-GQA's script leaves such a question out, which flatters a model that often fails to answer.
"""

from __future__ import annotations

from collections.abc import Sequence

from stages.interval_iou import Interval


def best_iou(predicted: Sequence[Interval], truth: Sequence[Interval]) -> float:
    """Intersection over union of the first predicted span with the true span that it fits best, 0 to 1.

    The union is the time from the first start to the last end, as there; a reversed or empty span is 0.
    """
    return max((_iou(predicted[0], span) for span in truth), default=0.0) if predicted else 0.0


def best_iop(predicted: Sequence[Interval], truth: Sequence[Interval]) -> float:
    """Share of the first predicted span that lies in the true span which holds most of it, 0 to 1.

    A single moment counts as wholly inside a span that holds it; a reversed span is 0.
    """
    return max((_iop(predicted[0], span) for span in truth), default=0.0) if predicted else 0.0


def _shared(a: Interval, b: Interval) -> float:
    return max(0.0, min(a[1], b[1]) - max(a[0], b[0]))


def _iou(predicted: Interval, truth: Interval) -> float:
    if predicted[0] >= predicted[1]:
        return 0.0
    return _shared(predicted, truth) / (max(predicted[1], truth[1]) - min(predicted[0], truth[0]))


def _iop(predicted: Interval, truth: Interval) -> float:
    start, end = predicted
    if start == end:
        return float(truth[0] <= start <= truth[1])
    return _shared(predicted, truth) / (end - start) if start < end else 0.0
