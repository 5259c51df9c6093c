"""The policy loss that the settings name, applied to one batch of groups."""

from __future__ import annotations

from torch import Tensor

from trainer.config import GrpoConfig, RegGrpoConfig
from trainer.losses.grpo import grpo
from trainer.losses.reg_grpo import reg_grpo


def policy_loss(
    config: RegGrpoConfig | GrpoConfig,
    policy_logps: Tensor,
    old_logps: Tensor,
    advantages: Tensor,
    mask: Tensor,
    group_size: int,
) -> Tensor:
    """A scalar; log-probs and mask are [N, T], advantages [N], N in group order."""
    if isinstance(config, RegGrpoConfig):
        return reg_grpo(policy_logps, old_logps, advantages, mask, group_size=group_size, std_floor=config.std_floor)
    low, high = (config.clip_low, config.clip_high) if config.clip else (None, None)
    return grpo(policy_logps, old_logps, advantages, mask, clip_low=low, clip_high=high)


def effective_beta(config: RegGrpoConfig | GrpoConfig, kl_weight: float, mean_length: float) -> float | None:
    """The KL weight that a token-mean GRPO would need for the same balance at rho = 0: beta s / (2 |y|); Reg-GRPO only.

    Below its floor s Reg-GRPO's gradient is 2 |y| / s times that of GRPO (METHOD.md section 2).
    """
    if isinstance(config, RegGrpoConfig):
        return kl_weight * config.std_floor / (2 * mean_length)
    return None
