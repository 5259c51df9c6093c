"""Spans against spans, by hand and second by second."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.metrics.grounding import best_iop, best_iou

TRUTH = [(2.0, 6.0), (10.0, 12.0)]


@pytest.mark.parametrize(
    ("predicted", "iou", "iop"),
    [
        ([(4.0, 8.0)], 2 / 6, 2 / 4),  # 4 to 6 of 2 to 8
        ([(10.5, 11.5)], 1 / 2, 1.0),  # the second true span fits best
        ([(4.0, 11.0)], 2 / 9, 2 / 7),  # 2 s of 2 to 11; 1 s of 4 to 12 is less
        ([(10.0, 12.0), (2.0, 6.0)], 1.0, 1.0),
        ([(0.0, 1.0), (2.0, 6.0)], 0.0, 0.0),  # the first one counts
        ([(7.0, 9.0)], 0.0, 0.0),
        ([(3.0, 3.0)], 0.0, 1.0),  # a moment inside
        ([(8.0, 8.0)], 0.0, 0.0),
        ([(6.0, 2.0)], 0.0, 0.0),  # reversed
        ([], 0.0, 0.0),
    ],
)
def test_the_best_true_span_by_hand(predicted, iou, iop):
    assert best_iou(predicted, TRUTH) == pytest.approx(iou)
    assert best_iop(predicted, TRUTH) == pytest.approx(iop)


def test_nothing_is_right_where_nothing_is_true():
    assert best_iou([(1.0, 2.0)], []) == best_iop([(1.0, 2.0)], []) == 0.0


span = st.tuples(st.integers(0, 20), st.integers(1, 9)).map(lambda pair: (float(pair[0]), float(sum(pair))))


@given(span, st.lists(span, min_size=1, max_size=4))
def test_it_is_what_counting_seconds_gives(predicted, truth):
    """Where two spans meet at all, the time from the first start to the last end is their union."""
    ours, theirs = _seconds(predicted), [_seconds(other) for other in truth]
    assert best_iou([predicted], truth) == pytest.approx(max(len(ours & other) / len(ours | other) for other in theirs))
    assert best_iop([predicted], truth) == pytest.approx(max(len(ours & other) / len(ours) for other in theirs))


def _seconds(interval):
    return set(range(int(interval[0]), int(interval[1])))
