"""A random batch of groups for the losses' tests, and each loss as a function of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from trainer.advantage import advantages, centred_rewards
from trainer.losses.dpo import dpo
from trainer.losses.dr_grpo import dr_grpo
from trainer.losses.grpo import grpo
from trainer.losses.rebel import rebel
from trainer.losses.reg_grpo import reg_grpo
from trainer.losses.reinforce import reinforce
from trainer.losses.reward_regression import reward_regression
from trainer.losses.rloo import rloo
from trainer.losses.sft import sft

SIZE = 4


@dataclass
class Batch:
    """Groups of SIZE; log-probs and mask [N, T], rewards [N], pairs [groups, 2]: the best and the worst."""

    policy: Tensor
    old: Tensor
    rewards: Tensor
    mask: Tensor

    @property
    def pairs(self) -> Tensor:
        grouped = self.rewards.reshape(-1, SIZE)
        ends = torch.stack([grouped.argmax(dim=1), grouped.argmin(dim=1)], dim=1)
        return ends + SIZE * torch.arange(len(grouped)).unsqueeze(1)


def f64(values: Sequence[float] | Sequence[Sequence[float]]) -> Tensor:
    return torch.tensor(values, dtype=torch.float64)


def ragged(seed: int, num_groups: int = 3, num_columns: int = 6) -> Batch:
    """Random log-probs and rewards, and responses of 1 to num_columns tokens."""
    generator = torch.Generator().manual_seed(seed)
    num = num_groups * SIZE
    policy, old = -torch.rand(2, num, num_columns, generator=generator, dtype=torch.float64)
    rewards = 2 * torch.rand(num, generator=generator, dtype=torch.float64)
    lengths = torch.randint(1, num_columns + 1, (num, 1), generator=generator)
    return Batch(policy, old, rewards, torch.arange(num_columns) < lengths)


def one_token(rho: Sequence[float], rewards: Sequence[float]) -> Batch:
    """Responses of one token with these log-ratios; the loss's gradient in it is dL/drho."""
    old = torch.full((len(rho), 1), -2.0, dtype=torch.float64)
    return Batch((old + f64(rho).unsqueeze(1)).requires_grad_(), old, f64(rewards), torch.ones(len(rho), 1).bool())


def gradient(loss: Callable[[Batch], Tensor], batch: Batch) -> Tensor:
    """dL/drho [N] of one-token responses."""
    return torch.autograd.grad(loss(batch), batch.policy)[0].squeeze(1)


def _reg_grpo(normaliser: str) -> Callable[[Batch], Tensor]:
    def loss(b: Batch) -> Tensor:
        adv = advantages(b.rewards, SIZE)
        return reg_grpo(b.policy, b.old, adv, b.mask, group_size=SIZE, std_floor=0.5, normaliser=normaliser)  # type: ignore[arg-type]

    return loss


LOSSES: dict[str, Callable[[Batch], Tensor]] = {
    **{f"reg_grpo {name}": _reg_grpo(name) for name in ("exact", "smooth", "detached", "fixed")},
    "grpo": lambda b: grpo(b.policy, b.old, advantages(b.rewards, SIZE), b.mask, clip_low=None, clip_high=None),
    "dr_grpo": lambda b: dr_grpo(
        b.policy, b.old, centred_rewards(b.rewards, SIZE), b.mask, max_tokens=8, clip_low=None, clip_high=None
    ),
    "reinforce": lambda b: reinforce(b.policy, b.rewards, b.mask),
    "rloo": lambda b: rloo(b.policy, b.rewards, b.mask, group_size=SIZE),
    "rebel": lambda b: rebel(b.policy, b.old, b.rewards, b.mask, group_size=SIZE, eta=0.7),
    "reward_regression": lambda b: reward_regression(
        b.policy, b.old, b.rewards, b.mask, group_size=SIZE, kl_strength=0.7
    ),
    "dpo": lambda b: dpo(b.policy, b.old, b.mask, b.pairs, beta=0.5),
    "sft": lambda b: sft(b.policy[b.pairs[:, 0]], b.mask[b.pairs[:, 0]]),
}
