"""Mean relative accuracy at its thresholds, where the two comparisons differ."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.metrics.mean_relative_accuracy import mean_relative_accuracy


@pytest.mark.parametrize(
    ("predicted", "truth", "inclusive", "exclusive"),
    [
        ("100", "100", 1.0, 1.0),
        ("104", "100", 1.0, 1.0),
        ("105", "100", 1.0, 0.9),  # 0.05 is 1 - 0.95: in floats it is less
        ("80", "100", 0.7, 0.6),  # 0.2 is within 1 - theta for 0.50 to 0.80
        ("150", "100", 0.1, 0.0),
        ("151", "100", 0.0, 0.0),
        ("0.33", "0.3", 0.9, 0.8),  # 0.1 exactly, which floats miss
        ("-4", "4", 0.0, 0.0),
        ("0", "0", 1.0, 1.0),
        ("1", "0", 0.0, 0.0),
    ],
)
def test_both_comparisons_by_hand(predicted, truth, inclusive, exclusive):
    found = [mean_relative_accuracy(Fraction(predicted), Fraction(truth), inclusive=value) for value in (True, False)]
    assert found == [inclusive, exclusive]
    assert mean_relative_accuracy(Fraction(predicted), Fraction(truth)) == inclusive


@given(st.integers(0, 400), st.integers(1, 200))
def test_it_is_the_share_of_the_ten_thresholds_in_percent(predicted, truth):
    for inclusive in (True, False):
        met = [
            100 * abs(predicted - truth) - (0 if inclusive else -1) <= (100 - percent) * truth
            for percent in (50, 55, 60, 65, 70, 75, 80, 85, 90, 95)
        ]
        found = mean_relative_accuracy(Fraction(predicted), Fraction(truth), inclusive=inclusive)
        assert found == pytest.approx(sum(met) / 10)
