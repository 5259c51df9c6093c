"""A mean with its 95 % interval, for the benchmarks of the augmentations."""

from __future__ import annotations

import numpy as np


def interval(values: np.ndarray) -> tuple[float, float]:
    """Mean and half of its 95 % interval; nan for fewer than two values."""
    if len(values) < 2:
        return (float(values.mean()) if len(values) else float("nan")), float("nan")
    return float(values.mean()), float(1.96 * values.std(ddof=1) / np.sqrt(len(values)))
