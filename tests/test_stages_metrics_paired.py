"""McNemar's exact test by hand."""

import pytest

from stages.metrics.paired import mcnemar


def answers(both, first, second, neither):
    """Questions that both have right, the first alone, the second alone, neither."""
    split = [(1.0, 1.0)] * both + [(1.0, 0.0)] * first + [(0.0, 1.0)] * second + [(0.0, 0.0)] * neither
    return tuple(zip(*split, strict=True))


@pytest.mark.parametrize(
    ("first", "second", "p"),
    [
        (0, 0, 1.0),
        (3, 3, 1.0),
        (1, 0, 1.0),
        (5, 1, 2 * (1 + 6) / 64),
        (1, 5, 2 * (1 + 6) / 64),
        (10, 0, 2 / 1024),
    ],
)
def test_by_hand(first, second, p):
    assert mcnemar(*answers(4, first, second, 9)) == pytest.approx(p)
    assert mcnemar(*answers(40, first, second, 0)) == pytest.approx(p)  # the others say nothing


def test_thousands_of_questions_are_no_trouble():
    assert 0 < mcnemar(*answers(0, 2600, 2400, 0)) < 0.01


def test_other_scores_are_refused():
    with pytest.raises(ValueError, match="bootstrap interval"):
        mcnemar([0.5, 1.0], [1.0, 1.0])
