"""A response's log-ratio: rho = log pi_theta(y|x) - log pi(y|x), summed over its tokens; arXiv:2506.07464, Eq. 6."""

from typing import Literal

import torch
from torch import Tensor

from trainer.losses.shapes import check_tokens


def log_ratio(
    policy_logps: Tensor, old_logps: Tensor, mask: Tensor, *, reduction: Literal["sum", "mean"] = "sum"
) -> Tensor:
    """rho [N] of responses whose log-probs are [N, T], at least float32; the gradient is `policy_logps`' alone.

    What the tokens outside `mask` hold is never read, NaN included. A response without tokens has 0.

    Raises:
        ValueError: shapes that differ, an unknown reduction.
    """
    check_tokens(policy_logps=policy_logps, old_logps=old_logps, mask=mask)
    if reduction not in ("sum", "mean"):
        raise ValueError(f'reduction is {reduction!r}: use "sum" or "mean"')
    dtype = torch.promote_types(policy_logps.dtype, torch.float32)  # hundreds of bf16 terms do not add up
    mask = mask.bool()
    # `where`, not a product: NaN * 0 is NaN.
    rho = torch.where(mask, policy_logps.to(dtype) - old_logps.detach().to(dtype), 0.0).sum(dim=1)
    return rho / mask.sum(dim=1).clamp_min(1) if reduction == "mean" else rho
