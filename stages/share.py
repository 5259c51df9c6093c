"""Which samples of a round are augmented where `augment.max_share` lets only some of them be."""

from __future__ import annotations

import math
from collections.abc import Sequence

from storage.records import Difficulty


def num_within(num_samples: int, max_share: float) -> int:
    """How many of `num_samples` samples are at most `max_share` of them, 0 to 1."""
    return math.floor(max_share * num_samples + 1e-9)  # 0.29 * 100 is 28.999999999999996


def within_share(candidates: Sequence[Difficulty], max_share: float, num_samples: int) -> set[str]:
    """The ids of the candidates with the largest |delta_R|, ties by group_index.

    They are at most `max_share`, 0 to 1, of the `num_samples` samples that the round rolled out.
    """
    ranked = sorted(candidates, key=lambda row: (-abs(row.difficulty), row.group_index))
    return {row.sample_id for row in ranked[: num_within(num_samples, max_share)]}
