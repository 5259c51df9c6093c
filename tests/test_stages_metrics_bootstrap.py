"""The interval against a plain loop that draws samples, and against what must hold."""

import numpy as np
import pytest

from stages.metrics.bootstrap import bootstrap_interval


def test_equal_scores_leave_no_doubt():
    assert bootstrap_interval([(1.0, np.full(7, 0.25))], seed=0) == pytest.approx((0.25, 0.25))


def test_parts_count_by_their_weight():
    parts = [(1.0, np.zeros(5)), (3.0, np.ones(2))]
    assert bootstrap_interval(parts, seed=0) == pytest.approx((0.75, 0.75))


def test_a_seed_decides_and_nothing_else():
    values = np.random.default_rng(0).uniform(size=50)
    first, again, other = (bootstrap_interval([(1.0, values)], seed=seed) for seed in (1, 1, 2))
    assert first == again != other
    assert bootstrap_interval([(1.0, values[::-1])], seed=1) == first


@pytest.mark.parametrize("values", [[0.0] * 30 + [1.0] * 70, np.linspace(0, 1, 80) ** 2])
def test_it_is_what_drawing_samples_gives(values):
    values, rng = np.array(values), np.random.default_rng(3)
    means = [rng.choice(values, len(values)).mean() for _ in range(4000)]
    expected = np.quantile(means, [0.025, 0.975])
    found = bootstrap_interval([(1.0, values)], seed=0, num_resamples=4000)
    assert found == pytest.approx(expected, abs=0.012)  # about a tenth of the interval's width
