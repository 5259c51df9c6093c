"""Reg-GRPO: mean of (A - Ahat)^2, Ahat = (rho - mean rho) / std rho; arXiv:2506.07464, Eq. 8 without its KL term."""

from typing import Literal

import torch
from torch import Tensor

from trainer.advantage import as_groups, live_groups


def reg_grpo(
    policy_logps: Tensor,
    old_logps: Tensor,
    advantages: Tensor,
    mask: Tensor,
    *,
    group_size: int,
    std_floor: float = 1e-6,
    reduction: Literal["sum", "mean"] = "sum",
) -> Tensor:
    """The loss is mean (A - Ahat)^2 with Ahat = (rho - mean rho) / max(std rho, s), arXiv:2506.07464, Eq. 8.

    rho = log pi_theta(y|x) - log pi_old(y|x), one number a response; mean and population std are over its group of G.
    With r the correlation of A and rho, A of mean 0 and population std 1:

    * std rho > s: the loss is 2 (1 - r) and dL/drho = -(2 / (G std rho)) (A - r Ahat). That is orthogonal to rho and
      to the constant vector, so nothing here bounds the scale or the common shift of rho: `losses/kl.py` has to.
    * std rho < s: dL/drho = -(2 / (G s)) (A - (rho - mean rho) / s); at rho = 0, 2 / s times sequence-sum REINFORCE.

    Departures from the paper: the floor s (Eq. 8 is 0/0 at theta = old); groups of equal rewards have no advantage to
    predict and are left out, of the divisor too; the KL is the caller's.

    Args:
        policy_logps: [N, T] log-probs of the response tokens, N = groups x group_size in group order; has the gradient.
        old_logps: [N, T], the same tokens under the policy that sampled; a constant.
        advantages: [N]; a constant.
        mask: [N, T], true at response tokens. What the others hold is never read, NaN included.
        group_size: G, at least 2.
        std_floor: s > 0, in nats (nats a token for "mean").
        reduction: rho is the sum over response tokens (the paper) or their mean.

    Returns:
        A scalar, the mean over live groups; 0 with zero gradients if there are none. At least float32.

    Raises:
        ValueError: shapes that differ, incomplete groups, a floor too small to divide by, an unknown reduction.
    """
    if not policy_logps.shape == old_logps.shape == mask.shape:
        shapes = f"{tuple(policy_logps.shape)}, {tuple(old_logps.shape)} and {tuple(mask.shape)}"
        raise ValueError(f"policy_logps, old_logps and mask have shapes {shapes}: pass all three as [N, T]")
    if advantages.shape != policy_logps.shape[:1]:
        raise ValueError(f"advantages have shape {tuple(advantages.shape)}: pass one for each of {len(mask)} responses")
    if reduction not in ("sum", "mean"):
        raise ValueError(f'reduction is {reduction!r}: use "sum" or "mean"')
    dtype = torch.promote_types(policy_logps.dtype, torch.float32)  # hundreds of bf16 terms do not add up
    if not (std_floor > 0 and std_floor**2 >= torch.finfo(dtype).tiny):
        raise ValueError(f"std_floor is {std_floor}: its square divides and must be positive in {dtype}; use 1e-6")
    mask = mask.bool()
    # `where`, not a product: NaN * 0 is NaN.
    rho = torch.where(mask, policy_logps.to(dtype) - old_logps.detach().to(dtype), 0.0).sum(dim=1)
    if reduction == "mean":
        rho = rho / mask.sum(dim=1).clamp_min(1)
    # Selecting the live groups keeps the others, whatever they hold, out of the gradient.
    live = live_groups(advantages, group_size)
    actual = as_groups(advantages.detach().to(dtype), group_size)[live]
    rho = as_groups(rho, group_size)[live]
    centred = rho - rho.mean(dim=1, keepdim=True)
    # The variance is clamped before the root: sqrt has an infinite slope at 0, and infinity * 0 is NaN.
    std = centred.square().mean(dim=1, keepdim=True).clamp_min(std_floor**2).sqrt()
    squared_error = (actual - centred / std).square().mean(dim=1)
    return squared_error.sum() / max(len(squared_error), 1)
