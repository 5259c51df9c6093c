"""The policy loss that the settings name, applied to one forward pass over some groups."""

from __future__ import annotations

from dataclasses import dataclass
from typing import assert_never

from torch import Tensor

from trainer.advantage import advantages, centred_rewards, leave_one_out
from trainer.config import (
    DpoConfig,
    DrGrpoConfig,
    GrpoConfig,
    Loss,
    OnlineDpoConfig,
    RebelConfig,
    RegGrpoConfig,
    ReinforceConfig,
    RewardRegressionConfig,
    RlooConfig,
    SftConfig,
)
from trainer.losses.dpo import dpo
from trainer.losses.dr_grpo import dr_grpo
from trainer.losses.grpo import grpo
from trainer.losses.rebel import rebel
from trainer.losses.reg_grpo import reg_grpo
from trainer.losses.reinforce import reinforce
from trainer.losses.reward_regression import reward_regression
from trainer.losses.rloo import rloo
from trainer.losses.sft import sft


@dataclass(frozen=True, slots=True, eq=False)
class Responses:
    """What a loss may read, N responses in group order: log-probs and mask [N, T], rewards and advantages [N].

    pairs: [N / group_size, 2], rows of each group's best and worst response. sampling_weights: [N, T] or [N, 1], or
    None (losses/importance.py).
    """

    policy_logps: Tensor
    old_logps: Tensor
    ref_logps: Tensor
    mask: Tensor
    rewards: Tensor
    advantages: Tensor
    pairs: Tensor
    group_size: int
    sampling_weights: Tensor | None = None


def policy_loss(config: Loss, r: Responses) -> Tensor:
    """A scalar in which every group weighs the same, so that the losses of a batch's parts average to the batch's.

    Groups of equal rewards count in the divisor: those that should not are dropped before (stages/curate.py).
    """
    policy, old, mask, size, weights = r.policy_logps, r.old_logps, r.mask, r.group_size, r.sampling_weights
    match config:
        case RegGrpoConfig():
            return reg_grpo(
                policy,
                old,
                r.advantages,
                mask,
                group_size=size,
                std_floor=config.std_floor,
                reduction=config.reduction,
                normaliser=config.normaliser,
                std=config.group_std,
                count_vanished=True,
                sampling_weights=weights,
            )
        case GrpoConfig():
            low, high = _clip(config)
            return grpo(policy, old, r.advantages, mask, clip_low=low, clip_high=high, sampling_weights=weights)
        case DrGrpoConfig():
            low, high = _clip(config)
            return dr_grpo(
                policy,
                old,
                r.advantages,
                mask,
                max_tokens=config.max_tokens,
                clip_low=low,
                clip_high=high,
                sampling_weights=weights,
            )
        case ReinforceConfig():
            return reinforce(policy, r.advantages, mask, sampling_weights=weights)
        case RlooConfig():
            return rloo(policy, r.rewards, mask, group_size=size, sampling_weights=weights)
        case RebelConfig():
            return rebel(policy, old, r.rewards, mask, group_size=size, eta=config.eta)
        case RewardRegressionConfig():
            return reward_regression(
                policy,
                old,
                r.rewards,
                mask,
                group_size=size,
                kl_strength=config.kl_strength,
                sampling_weights=weights,
            )
        case DpoConfig() | OnlineDpoConfig():
            return dpo(policy, r.ref_logps, mask, r.pairs, beta=config.beta)
        case SftConfig():
            best = r.pairs[:, 0]
            return sft(policy[best], mask[best])
    assert_never(config)


def response_advantages(config: Loss, rewards: Tensor, group_size: int) -> Tensor:
    """What the loss weighs each response by, [N]; of one that takes rewards or pairs, the group-normalised reward."""
    match config:
        case RegGrpoConfig() | GrpoConfig():
            return advantages(rewards, group_size, std=config.group_std, eps=config.advantage_eps)
        case DrGrpoConfig():
            return centred_rewards(rewards, group_size)
        case RlooConfig():
            return leave_one_out(rewards, group_size)
        case ReinforceConfig():
            return rewards - config.baseline
        case _:
            return advantages(rewards, group_size)


def effective_beta(config: Loss, kl_weight: float, kl_reduction: str, mean_length: float) -> float | None:
    """The KL weight that a token-mean GRPO would need for the same balance at rho = 0: beta s / (2 |y|); Reg-GRPO only.

    Below its floor s Reg-GRPO's gradient is 2 |y| / s times that of GRPO (METHOD.md section 2), or 2 / s times with
    token-mean rho; a token-sum KL is |y| times the token mean.
    """
    if not isinstance(config, RegGrpoConfig):
        return None
    beta = kl_weight * (mean_length if kl_reduction == "sum" else 1.0)
    return beta * config.std_floor / (2 * (mean_length if config.reduction == "sum" else 1.0))


def _clip(config: GrpoConfig | DrGrpoConfig) -> tuple[float | None, float | None]:
    return (config.clip_low, config.clip_high) if config.clip else (None, None)
