"""Intersection over union of two sets of time intervals (arXiv:2506.07464, Appendix B: the temporal reward).

The paper's IoU is defined on one predicted and one true interval; here it is on sets, because NExT-GQA has questions
with several true spans (METHOD.md, section 3).
"""

from __future__ import annotations

import math
from collections.abc import Iterable

Interval = tuple[float, float]


def merged(intervals: Iterable[Interval]) -> list[Interval]:
    """The same set of seconds as disjoint intervals in rising order; reversed, empty and infinite ones are dropped."""
    result: list[Interval] = []
    for start, end in sorted((start, end) for start, end in intervals if -math.inf < start < end < math.inf):
        if result and start <= result[-1][1]:
            result[-1] = (result[-1][0], max(result[-1][1], end))
        else:
            result.append((start, end))
    return result


def interval_set_iou(a: Iterable[Interval], b: Iterable[Interval]) -> float:
    """IoU of two interval sets, in 0..1: shared seconds over covered seconds, 0.0 for an empty union.

    `a` and `b` hold (start, end) in seconds, in any order; overlapping intervals count once.
    """
    left, right = merged(a), merged(b)
    union = sum(end - start for start, end in merged(left + right))
    shared = sum(max(0.0, min(x[1], y[1]) - max(x[0], y[0])) for x in left for y in right)
    # The two sums round independently: sets that differ by one ulp may come out above 1.
    return min(shared / union, 1.0) if union > 0.0 else 0.0
