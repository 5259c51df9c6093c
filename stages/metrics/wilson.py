"""Wilson's score interval of a share (Wilson 1927): sound where none or all are right, as the bootstrap is not."""

from __future__ import annotations

import math


def wilson_interval(num_correct: float, num_samples: int, z: float = 1.96) -> tuple[float, float]:
    """Wilson's score interval of a share, 95 % by default (Wilson 1927); (0, 1) without samples.

    num_correct: how many are right, or the sum of scores from 0 to 1: their variance is at most that of right and wrong
        answers with the same mean, so that the interval is wide enough.
    """
    if num_samples == 0:
        return 0.0, 1.0
    share, spread = num_correct / num_samples, z * z / num_samples
    centre = (share + spread / 2) / (1 + spread)
    half = z * math.sqrt(share * (1 - share) / num_samples + spread / (4 * num_samples)) / (1 + spread)
    return max(0.0, min(share, centre - half)), min(1.0, max(share, centre + half))
