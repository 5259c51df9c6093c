"""Mean relative accuracy of a number (VSI-Bench, arXiv:2412.14171, section 3)."""

from __future__ import annotations

from fractions import Fraction

THRESHOLDS = [Fraction(percent, 100) for percent in range(50, 100, 5)]
"""Confidence thresholds theta: 0.50, 0.55, ..., 0.95."""


def mean_relative_accuracy(predicted: Fraction, truth: Fraction, *, inclusive: bool = True) -> float:
    """Share of the thresholds theta for which |predicted - truth| / |truth| is at most (or below) 1 - theta, 0 to 1.

    inclusive: `<=`, as the benchmark's script has it; False is the paper's `<`. They differ where the error is exactly
        5, 10, ..., 50 percent; fractions keep that exact. A truth of 0 is met by 0 alone.
    """
    if truth == 0:
        return float(predicted == 0)
    error = abs(predicted - truth) / abs(truth)
    return sum(error < 1 - t or (inclusive and error == 1 - t) for t in THRESHOLDS) / len(THRESHOLDS)
