"""GRPO: -min(w A, clip(w) A) a token, w = pi_theta / pi_old; arXiv:2506.07464, Eq. 2 without its KL term."""

import math

import torch
from torch import Tensor


def grpo(
    policy_logps: Tensor,
    old_logps: Tensor,
    advantages: Tensor,
    mask: Tensor,
    *,
    clip_low: float | None = 0.2,
    clip_high: float | None = 0.2,
) -> Tensor:
    """The loss is -mean min(w A, clip(w, 1 - clip_low, 1 + clip_high) A), arXiv:2506.07464, Eq. 2 (there maximised).

    w = exp(log pi_theta - log pi_old) of a token. The mean is over the tokens of a response, then over all N responses:
    one without advantage or without tokens adds 0 and still counts in N. At theta = old the gradient is REINFORCE's,
    each response divided by its length. A token whose w has left the clip in the direction that A asks for has none.

    Args:
        policy_logps: [N, T] log-probs of the response tokens; has the gradient.
        old_logps: [N, T], the same tokens under the policy that sampled; a constant.
        advantages: [N]; a constant.
        mask: [N, T], true at response tokens. What the others hold is never read, NaN included.
        clip_low: how far w may fall below 1, 0 to 1; None for no bound.
        clip_high: how far w may rise above 1, at least 0; None for no bound. The paper's baseline has neither bound
            (Appendix C.1).

    Returns:
        A scalar to minimise, at least float32.

    Raises:
        ValueError: shapes that differ.
    """
    if not policy_logps.shape == old_logps.shape == mask.shape:
        shapes = f"{tuple(policy_logps.shape)}, {tuple(old_logps.shape)} and {tuple(mask.shape)}"
        raise ValueError(f"policy_logps, old_logps and mask have shapes {shapes}: pass all three as [N, T]")
    if advantages.shape != policy_logps.shape[:1]:
        raise ValueError(f"advantages have shape {tuple(advantages.shape)}: pass one for each of {len(mask)} responses")
    dtype = torch.promote_types(policy_logps.dtype, torch.float32)
    mask = mask.bool()
    # Masked before exp: a NaN that went through exp would come back in the gradient.
    ratio = torch.where(mask, policy_logps.to(dtype) - old_logps.detach().to(dtype), 0.0).exp()
    low = 0.0 if clip_low is None else 1.0 - clip_low  # a ratio is never negative: 0 is no bound
    high = math.inf if clip_high is None else 1.0 + clip_high
    actual = advantages.detach().to(dtype).unsqueeze(1)
    surrogate = torch.minimum(ratio * actual, ratio.clamp(low, high) * actual)
    num_tokens = mask.sum(dim=1).clamp_min(1)
    return -(torch.where(mask, surrogate, 0.0).sum(dim=1) / num_tokens).mean()
