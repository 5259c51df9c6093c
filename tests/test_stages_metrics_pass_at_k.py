"""pass@k against the formula of its paper and against every choice of k."""

import itertools
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.metrics.pass_at_k import pass_at_k, powers_up_to


@pytest.mark.parametrize(
    ("scores", "k", "expected"),
    [
        ([0, 1, 0, 0], 1, 0.25),
        ([0, 1, 0, 0], 2, 1 - 3 / 6),  # 1 - C(3, 2) / C(4, 2)
        ([1, 1, 0, 0, 0], 3, 1 - 1 / 10),
        ([0, 0], 2, 0.0),
        ([1], 1, 1.0),
        ([0.0, 0.5, 1.0], 2, (0.5 + 1.0 + 1.0) / 3),
    ],
)
def test_by_hand(scores, k, expected):
    assert pass_at_k(scores, k) == pytest.approx(expected)


@given(st.integers(1, 60).flatmap(lambda n: st.tuples(st.just(n), st.integers(0, n), st.integers(1, n))))
def test_of_right_and_wrong_it_is_the_papers_formula(numbers):
    n, right, k = numbers
    expected = 1 - math.comb(n - right, k) / math.comb(n, k)
    assert pass_at_k([1.0] * right + [0.0] * (n - right), k) == pytest.approx(expected)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=7), st.data())
def test_of_any_scores_it_is_the_mean_best_of_every_choice(scores, data):
    k = data.draw(st.integers(1, len(scores)))
    best = [max(choice) for choice in itertools.combinations(scores, k)]
    assert pass_at_k(scores, k) == pytest.approx(sum(best) / len(best))


@pytest.mark.parametrize("k", [0, 3])
def test_more_than_there_are_is_refused(k):
    with pytest.raises(ValueError, match=f"pass@{k} of 2 responses"):
        pass_at_k([0.0, 1.0], k)


def test_a_table_shows_powers_of_two_and_all():
    assert [powers_up_to(n) for n in (0, 1, 4, 6)] == [[], [1], [1, 2, 4], [1, 2, 4, 6]]
