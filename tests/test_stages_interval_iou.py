"""Interval sets: IoU by hand, against counting small cells, and its symmetries."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.interval_iou import interval_set_iou, merged

# a, b, IoU
CASES = [
    ([(0, 10)], [(0, 10)], 1.0),
    ([(0, 10)], [(5, 15)], 5 / 15),
    ([(0, 10)], [(20, 30)], 0.0),
    ([(0, 10)], [(10, 20)], 0.0),
    ([(0, 10)], [(2, 4)], 0.2),
    ([(0, 4), (2, 6)], [(0, 6)], 1.0),  # overlapping spans are one
    ([(0, 4), (4, 6)], [(0, 6)], 1.0),  # and so are touching ones
    ([(0, 5), (0, 5)], [(0, 10)], 0.5),  # a repeated span counts once
    ([(0, 2), (8, 10)], [(1, 9)], 2 / 10),
    ([(0, 2), (8, 10)], [(0, 2)], 0.5),
    ([(8, 10), (0, 2)], [(0, 10)], 0.4),  # any order
    ([], [], 0.0),
    ([], [(0, 1)], 0.0),
    ([(3, 3)], [(3, 3)], 0.0),
    ([(5, 0)], [(0, 5)], 0.0),  # reversed: dropped, not turned round
    ([(5, 0), (0, 5)], [(0, 5)], 1.0),
    ([(math.nan, 5)], [(0, 5)], 0.0),
    ([(0, math.inf)], [(0, 5)], 0.0),
    ([(0, math.inf)], [(0, math.inf)], 0.0),
    ([(-1, 1)], [(0, 1)], 0.5),
]


@pytest.mark.parametrize(("a", "b", "iou"), CASES)
def test_iou_by_hand(a: list[tuple[float, float]], b: list[tuple[float, float]], iou: float) -> None:
    assert interval_set_iou(a, b) == pytest.approx(iou)
    assert interval_set_iou(b, a) == pytest.approx(iou)


cells = st.lists(st.tuples(st.integers(0, 30), st.integers(0, 30)), max_size=6)


@given(cells, cells)
def test_iou_counts_seconds(a: list[tuple[int, int]], b: list[tuple[int, int]]) -> None:
    left, right = ({second for start, end in side for second in range(start, end)} for side in (a, b))
    expected = len(left & right) / len(left | right) if left | right else 0.0
    assert interval_set_iou(a, b) == pytest.approx(expected)


floats = st.lists(st.tuples(st.floats(0, 1e4), st.floats(0, 1e4)), max_size=6)


@given(floats, floats)
def test_iou_is_symmetric_and_in_range(a: list[tuple[float, float]], b: list[tuple[float, float]]) -> None:
    assert 0.0 <= interval_set_iou(a, b) <= 1.0
    assert interval_set_iou(a, b) == pytest.approx(interval_set_iou(b, a))


def test_rounding_never_lifts_the_iou_above_one() -> None:
    start, cut, end = 8.427608141492794e-06, 23.981378107526595, 63.70545113549524
    pieces = [(start, cut), (math.nextafter(cut, end), end)]
    assert interval_set_iou(pieces, [(start, end)]) == 1.0


@given(floats)
def test_a_set_equals_itself_and_its_merged_form(a: list[tuple[float, float]]) -> None:
    expected = 1.0 if merged(a) else 0.0
    assert interval_set_iou(a, a) == interval_set_iou(a, merged(a)) == pytest.approx(expected)
    assert all(before[1] < after[0] for before, after in zip(merged(a), merged(a)[1:], strict=False))
