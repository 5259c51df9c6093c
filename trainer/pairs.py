"""The best and the worst response of each group, for DPO and SFT."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from trainer.advantage import as_groups


def best_and_worst(rewards: Tensor, group_size: int, seeds: Sequence[int]) -> Tensor:
    """Rows of the response with the highest and of one with the lowest reward: [N] becomes [num_groups, 2].

    Ties are broken by the group's seed, so a group gives the same pair in every update. The two differ even if all
    rewards are equal, and then mean nothing as a pair (DPO is not given such groups).
    """
    pairs = []
    for group, (values, seed) in enumerate(zip(as_groups(rewards, group_size), seeds, strict=True)):
        order = torch.randperm(group_size, generator=torch.Generator().manual_seed(seed))
        ranked = order[values.cpu()[order].argsort(descending=True, stable=True)]
        pairs.append(group * group_size + ranked[[0, -1]])
    return torch.stack(pairs)
