"""Truncated importance sampling: w = min(pi_old / pi_engine, C), both of the policy that sampled (F. Yao et al., 2025).

The engine that samples and the trainer that learns compute the same policy with different kernels: responses come from
pi_engine, the losses assume pi_old. w corrects that in expectation; the cap C bounds its variance, at the price of a
bias for tokens (or responses) that the engine made much rarer than the trainer would have.

    "token"      one w a token: small variance, and the bias of leaving out that a token's past was sampled too
    "sequence"   one w a response, the product over its tokens: right, and of a variance that grows with the length
"""

from typing import Literal

import torch
from torch import Tensor

from trainer.losses.shapes import check_tokens

Level = Literal["token", "sequence"]


def sampling_weights(old_logps: Tensor, engine_logps: Tensor, mask: Tensor, *, level: Level, cap: float) -> Tensor:
    """w = min(exp(log pi_old - log pi_engine), cap), a constant: [N, T] of tokens, or [N, 1] of whole responses.

    Args:
        old_logps: [N, T] log-probs of the response tokens under the policy that sampled, by the trainer.
        engine_logps: [N, T], the same by the engine, after temperature and token masks ("processed").
        mask: [N, T], true at response tokens. What the others hold is never read, NaN included; their w is 1.
        level: what has one w, above.
        cap: C, at least 1.

    Raises:
        ValueError: shapes that differ, an unknown level, a cap below 1.
    """
    check_tokens(old_logps=old_logps, engine_logps=engine_logps, mask=mask)
    if level not in ("token", "sequence"):
        raise ValueError(f'level is {level!r}: use "token" or "sequence"')
    if not cap >= 1:
        raise ValueError(f"cap is {cap}: equal engines have a ratio of 1 and must not be cut; use 2")
    dtype = torch.promote_types(old_logps.dtype, torch.float32)
    difference = torch.where(mask.bool(), old_logps.detach().to(dtype) - engine_logps.detach().to(dtype), 0.0)
    if level == "sequence":
        difference = difference.sum(dim=1, keepdim=True)
    return difference.exp().clamp_max(cap)


def weighed(per_token: Tensor, weights: Tensor | None) -> Tensor:
    """[N, T] terms times [N, T] or [N, 1] weights; as they are without weights.

    Raises:
        ValueError: weights of another shape.
    """
    if weights is None:
        return per_token
    if weights.shape not in (per_token.shape, (len(per_token), 1)):
        raise ValueError(
            f"sampling weights have shape {tuple(weights.shape)}: pass one a token, {tuple(per_token.shape)}, "
            f"or one a response, {(len(per_token), 1)}"
        )
    return per_token * weights.detach().to(per_token.dtype)
