"""The clipped surrogate of a token: min(w A, clip(w) A), w = pi_theta / pi_old; arXiv:2506.07464, Eq. 1 and 2."""

import math

import torch
from torch import Tensor

from trainer.losses.importance import weighed
from trainer.losses.shapes import check_responses, check_tokens


def clipped_surrogate(
    policy_logps: Tensor,
    old_logps: Tensor,
    advantages: Tensor,
    mask: Tensor,
    *,
    clip_low: float | None,
    clip_high: float | None,
    sampling_weights: Tensor | None = None,
) -> Tensor:
    """[N, T] to maximise, 0 outside `mask`, at least float32; arguments and errors as for `losses.grpo.grpo`."""
    check_tokens(policy_logps=policy_logps, old_logps=old_logps, mask=mask)
    check_responses(mask, advantages=advantages)
    dtype = torch.promote_types(policy_logps.dtype, torch.float32)
    mask = mask.bool()
    # Masked before exp: a NaN that went through exp would come back in the gradient.
    ratio = torch.where(mask, policy_logps.to(dtype) - old_logps.detach().to(dtype), 0.0).exp()
    low = 0.0 if clip_low is None else 1.0 - clip_low  # a ratio is never negative: 0 is no bound
    high = math.inf if clip_high is None else 1.0 + clip_high
    actual = advantages.detach().to(dtype).unsqueeze(1)
    surrogate = torch.minimum(ratio * actual, ratio.clamp(low, high) * actual)
    return torch.where(mask, weighed(surrogate, sampling_weights), 0.0)
