"""The gradient of some of a step's groups: one forward pass, the policy loss and the KL, one backward pass."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from storage.digest import derive_seed
from storage.records import Rollout
from trainer.batch import Group, collate
from trainer.losses.importance import sampling_weights
from trainer.losses.kl import kl_penalty
from trainer.pairs import best_and_worst
from trainer.policy_loss import Responses, policy_loss, response_advantages
from trainer.training import OldLogps, Training


@dataclass(frozen=True)
class Part:
    """What one forward pass of a step leaves: means over its groups, [N] rho, log-prob sums and advantages.

    capped: whether each importance weight is at the cap; empty without importance sampling.
    """

    loss: float
    kl: float
    rho: Tensor
    policy_logps: Tensor
    advantages: Tensor
    capped: Sequence[bool]


def accumulate(training: Training, groups: Sequence[Group], share: float, stored: OldLogps) -> Part:
    """Adds the gradient of some of a step's groups, which are `share` of them; every group weighs the same."""
    config = training.config
    batch = collate(groups, training.policy.config, training.forbidden, training.device)
    rollouts = [rollout for group in groups for rollout in group.rollouts]
    rows = [stored[r.group_id, r.rollout_index] for r in rollouts]
    old, ref = (_padded([getattr(row, name) for row in rows], batch.mask) for name in ("old_logps", "ref_logps"))
    weights, capped = _sampling_weights(training, rollouts, old, batch.mask)
    group_size = len(groups[0].rollouts)
    rewards = torch.tensor([r.reward for r in rollouts], dtype=torch.float64)
    advantage = response_advantages(config.loss, rewards, group_size).float()
    seeds = [derive_seed(training.inputs.seed, "pairs", group.rollouts[0].group_id) for group in groups]
    pairs = best_and_worst(rewards, group_size, seeds)
    with training.accelerator.autocast():
        logps = training.model(batch)
    responses = Responses(
        policy_logps=logps,
        old_logps=old,
        ref_logps=ref,
        mask=batch.mask,
        rewards=rewards.float().to(training.device),
        advantages=advantage.to(training.device),
        pairs=pairs.to(training.device),
        group_size=group_size,
        sampling_weights=weights,
    )
    loss = policy_loss(config.loss, responses)
    kl = kl_penalty(
        logps,
        ref,
        batch.mask,
        estimator=config.kl_estimator,
        clamp=config.kl_clamp,
        reduction=config.kl_reduction,
        old_logps=old,
    )
    # Gradients are averaged over the ranks; the batch's is their sum.
    training.accelerator.backward((loss + training.kl_weight * kl) * (share * training.num_ranks))
    sums = logps.detach().double().sum(dim=1).cpu()
    rho = sums - old.double().sum(dim=1).cpu()
    return Part(float(loss.detach()), float(kl.detach()), rho, sums, advantage, capped)


def _sampling_weights(
    training: Training, rollouts: Sequence[Rollout], old: Tensor, mask: Tensor
) -> tuple[Tensor | None, list[bool]]:
    """Importance weights of some responses, and which of their tokens (or of themselves) are at the cap."""
    level, cap = training.config.importance_sampling, training.config.importance_cap
    if level == "off":
        return None, []
    engine = _padded([rollout.engine_logprobs for rollout in rollouts], mask)
    weights = sampling_weights(old, engine, mask, level=level, cap=cap)
    shown = weights[mask] if level == "token" else weights.flatten()
    return weights, (shown >= cap).tolist()


def _padded(rows: Sequence[np.ndarray], mask: Tensor) -> Tensor:
    result = torch.zeros(mask.shape, device=mask.device)
    for i, row in enumerate(rows):
        result[i, : len(row)] = torch.tensor(row)
    return result
