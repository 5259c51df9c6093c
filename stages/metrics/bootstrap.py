"""The percentile bootstrap over samples (Efron 1979): the interval of a mean whose distribution is not known."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

NUM_RESAMPLES = 1000


def bootstrap_interval(
    parts: Sequence[tuple[float, np.ndarray]], *, seed: int, level: float = 0.95, num_resamples: int = NUM_RESAMPLES
) -> tuple[float, float]:
    """The interval of a weighted mean of means, from resampled samples; each part is resampled by itself.

    parts: (weight, float [N]) each, N > 0: a plain mean is one part, a macro average one part a task.
    level: share of the resampled means inside. The same seed gives the same interval.
    """
    rng = np.random.default_rng(seed)
    means = sum(weight * _means(values, rng, num_resamples) for weight, values in parts)
    low, high = np.quantile(means / sum(weight for weight, _ in parts), [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def _means(values: np.ndarray, rng: np.random.Generator, num_resamples: int) -> np.ndarray:
    """Means of resamples, float [num_resamples]. Scores take few values, so how often each is drawn is drawn."""
    unique, counts = np.unique(values, return_counts=True)
    means: np.ndarray = rng.multinomial(len(values), counts / len(values), size=num_resamples) @ unique / len(values)
    return means
