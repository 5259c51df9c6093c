"""Which samples are augmented: by hand, and what holds for any round."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.share import num_within, within_share
from storage.records import Difficulty


def rows(deltas):
    return [Difficulty("r", 1, 10 + i, f"s{i}", 0.5, 0.5 + d, 4, d, "hard", 1.0) for i, d in enumerate(deltas)]


def test_the_largest_differences_come_first_whatever_their_sign():
    assert within_share(rows([0.1, -0.4, 0.3, -0.2]), 0.5, 4) == {"s1", "s2"}


def test_equal_differences_go_by_their_place_in_the_run_not_by_the_rows_order():
    candidates = rows([0.3, -0.3, 0.3, 0.3])
    assert within_share(candidates, 0.5, 4) == within_share(candidates[::-1], 0.5, 4) == {"s0", "s1"}


def test_the_share_is_of_all_samples_not_of_the_candidates():
    assert len(within_share(rows([0.1, 0.2, 0.3]), 0.25, 8)) == 2
    assert len(within_share(rows([0.1]), 0.25, 8)) == 1


@pytest.mark.parametrize(
    ("num_samples", "share", "expected"),
    [(10, 0.25, 2), (100, 0.29, 29), (10, 0.7, 7), (3, 0.0, 0), (3, 0.3, 0), (3, 1.0, 3), (0, 1.0, 0)],
)
def test_at_most_the_share_and_no_sample_lost_to_rounding(num_samples, share, expected):
    assert num_within(num_samples, share) == expected


@given(st.lists(st.floats(-1, 1), max_size=12), st.floats(0, 1), st.integers(0, 8))
def test_no_sample_left_out_differs_more_than_one_that_is_augmented(deltas, share, num_kept):
    candidates = rows(deltas)
    chosen = within_share(candidates, share, len(candidates) + num_kept)
    assert len(chosen) == min(len(candidates), num_within(len(candidates) + num_kept, share))
    size = {row.sample_id: abs(row.difficulty) for row in candidates}
    assert all(size[name] >= size[other] for name in chosen for other in size.keys() - chosen)
