"""The adaptive KL weight by hand: towards the target, bounded, and at rest on it."""

import pytest

from trainer.kl_weight import adapted


@pytest.mark.parametrize(
    ("kl", "expected"),
    [
        (0.5, 1.0),  # on target
        (0.55, 1.01),  # a tenth above: 1 + 0.1 x 0.1
        (0.45, 0.99),
        (50.0, 1.02),  # clipped at a fifth
        (0.0, 0.98),
        (-1.0, 0.98),  # k1 can be negative
    ],
)
def test_by_hand(kl: float, expected: float) -> None:
    assert adapted(1.0, kl, 0.5) == pytest.approx(expected)
    assert adapted(0.1, kl, 0.5) == pytest.approx(0.1 * expected)
