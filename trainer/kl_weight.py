"""A KL weight that seeks a target: beta (1 + 0.1 clip(KL / target - 1, -0.2, 0.2)); arXiv:1909.08593, section 2.2.

An update changes it by 2% at most, so a single noisy KL does little, and a hundred updates up to seven times.
"""

RATE = 0.1
CLIP = 0.2


def adapted(weight: float, kl: float, target: float) -> float:
    """The weight for the next step, after a step that found `kl`; it grows while `kl` is above `target`."""
    error = min(max(kl / target - 1, -CLIP), CLIP)
    return weight * (1 + RATE * error)
