"""Stage `curate`: the groups a round trains on, in a seeded order; groups with equal rewards are dropped, and said so.

Relative losses learn nothing from equal rewards. With `keep_equal` such groups are trained on like any other.

An augmented sample trains on its augmented group, every other one on its original group. With `noisy_rollout` a sample
with an altered video trains on a half of each (stages/noisy_rollout.py).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from stages.noisy_rollout import NOISY, mixed_group
from storage.digest import derive_seed
from storage.records import Curated, Dropped, Pass, Rollout

STAGE_VERSION = 3


def curate(
    rollouts: Iterable[Rollout],
    *,
    run_id: str,
    seed: int,
    round_index: int,
    noisy_rollout: bool = False,
    keep_equal: bool = False,
) -> tuple[list[list[Curated]], list[Dropped]]:
    """Returns the training groups in order, each a list of its rollouts, and the groups left out with the reason."""
    groups: dict[tuple[str, Pass], list[Rollout]] = {}
    for rollout in sorted(rollouts, key=lambda rollout: rollout.rollout_index):
        groups.setdefault((rollout.sample_id, rollout.pass_), []).append(rollout)
    augmented = {sample_id for sample_id, pass_ in groups if pass_ == "augmented"}
    live, dropped = [], []
    for (sample_id, pass_), group in sorted(groups.items()):
        if pass_ == "control" or (pass_ == "original" and sample_id in augmented):
            continue
        mixed = noisy_rollout and group[0].augmentation in NOISY
        trained = mixed_group(groups[sample_id, "original"], group) if mixed else group
        if not keep_equal and len({rollout.reward for rollout in trained}) == 1:
            halves = ", of clean and noisy responses," if mixed else ""
            detail = f"all {len(trained)} rewards{halves} are {trained[0].reward:g}: no advantage to learn from"
            dropped.append(Dropped(run_id, round_index, "curate", pass_, sample_id, "equal_rewards", detail))
        else:
            live.append(trained)
    order = np.random.default_rng(derive_seed(seed, "curate", round_index)).permutation(len(live))
    return [_positioned(position, live[i]) for position, i in enumerate(order)], dropped


def _positioned(position: int, group: Sequence[Rollout]) -> list[Curated]:
    return [Curated(position, rollout) for rollout in group]
