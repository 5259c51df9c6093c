"""The interval of an accuracy."""

import pytest

from stages.metrics.wilson import wilson_interval


@pytest.mark.parametrize(
    ("correct", "samples", "low", "high"),
    [
        (0, 0, 0.0, 1.0),  # nothing known
        (0, 10, 0.0, 0.2775),  # z^2 / (n + z^2)
        (5, 10, 0.2366, 0.7634),
        (2.5, 5, 0.1705, 0.8295),  # (n + z^2 +- z sqrt(n + z^2)) / (2 n + 2 z^2), scores whose mean is a half
        (10, 10, 0.7225, 1.0),
    ],
)
def test_wilsons_interval_by_hand(correct, samples, low, high):
    assert wilson_interval(correct, samples) == pytest.approx((low, high), abs=1e-4)


def test_no_share_lies_outside_its_interval_by_rounding():
    """A bar of negative length is an error of matplotlib's."""
    for samples in range(1, 500):
        for share, correct in ((0.0, 0), (1.0, samples)):
            low, high = wilson_interval(correct, samples)
            assert low <= share <= high
