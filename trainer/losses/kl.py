"""KL to the reference from sampled tokens: k3 = exp(d) - d - 1, d = log pi_ref - log pi_theta; arXiv:2506.07464, Eq. 2.

The same term belongs to Eq. 8. The paper does not name an estimator; k1, k2, k3 are John Schulman's ("Approximating KL
Divergence", 2020). Over tokens y drawn from pi_theta, with the sampling held fixed:

    estimator       mean value             mean gradient          gradient of one token in log pi_theta(y)
    k1 = -d         KL(theta || ref)       0                      1, whatever the drift
    k2 = d^2 / 2    near it for small d    of KL(theta || ref)    -d
    k3              KL(theta || ref)       of KL(ref || theta)    1 - exp(d)
    w k3            KL(theta || ref)       of KL(theta || ref)    -w d

The last, "k3_ratio", has w = pi_theta / pi_old of the token and estimates both even where y was drawn from pi_old
(DeepSeek-V3.2, arXiv:2512.02556); the ratio has a gradient and no bound.
k3 is the default because it is what GRPO's implementations use, it is never negative, and its value is the one that
the equations name. Its price: the pull back is at most 1 for a token that grew more likely, and -147 for one at d = 5.
`clamp` limits that, and gives d beyond it no gradient (k3_ratio keeps that of w). k1 is for logging: as a penalty it
only adds noise.
"""

from typing import Literal

import torch
from torch import Tensor

from trainer.losses.shapes import check_tokens

Estimator = Literal["k1", "k2", "k3", "k3_ratio"]


def token_kl(
    policy_logps: Tensor,
    ref_logps: Tensor,
    mask: Tensor,
    *,
    estimator: Estimator = "k3",
    clamp: float | None = None,
    old_logps: Tensor | None = None,
) -> Tensor:
    """A token's KL is k3 = exp(d) - d - 1 (or k1, k2), d = log pi_ref - log pi_theta, arXiv:2506.07464, Eq. 2.

    Args:
        policy_logps: [N, T] log-probs of the response tokens; has the gradient.
        ref_logps: [N, T], the same tokens under the frozen reference; a constant.
        mask: [N, T], true at response tokens. What the others hold is never read, NaN included.
        estimator: k1 = -d, k2 = d^2 / 2, k3 = exp(d) - d - 1, k3_ratio = w k3; the module says what each estimates.
        clamp: d is limited to [-clamp, clamp], in nats; None for no limit.
        old_logps: [N, T], the same tokens under the policy that sampled; a constant. For k3_ratio alone.

    Returns:
        [N, T] in nats, 0 where `mask` is false. At least float32.

    Raises:
        ValueError: shapes that differ, an unknown estimator, k3_ratio without `old_logps`, a clamp that is not above 0.
    """
    check_tokens(policy_logps=policy_logps, ref_logps=ref_logps, mask=mask)
    if clamp is not None and not clamp > 0:
        raise ValueError(f"clamp is {clamp}: it limits |d| and must be above 0; use None for no limit")
    dtype = torch.promote_types(policy_logps.dtype, torch.float32)
    # Masked first: each estimator is 0 at d = 0, and no NaN enters the gradient.
    d = torch.where(mask.bool(), ref_logps.detach().to(dtype) - policy_logps.to(dtype), 0.0)
    if clamp is not None:
        d = d.clamp(-clamp, clamp)
    if estimator == "k1":
        return -d
    if estimator == "k2":
        return d.square() / 2
    if estimator == "k3":
        return d.expm1() - d  # exp(d) - 1 would cancel to noise for small d
    if estimator == "k3_ratio":
        if old_logps is None:
            raise ValueError(
                "estimator is 'k3_ratio', old_logps None: the ratio is to the policy that sampled; pass it"
            )
        check_tokens(policy_logps=policy_logps, old_logps=old_logps, mask=mask)
        ratio = torch.where(mask.bool(), policy_logps.to(dtype) - old_logps.detach().to(dtype), 0.0).exp()
        return ratio * (d.expm1() - d)
    raise ValueError(f'estimator is {estimator!r}: use "k1", "k2", "k3" or "k3_ratio"')


def kl_penalty(
    policy_logps: Tensor,
    ref_logps: Tensor,
    mask: Tensor,
    *,
    estimator: Estimator = "k3",
    clamp: float | None = None,
    reduction: Literal["mean", "sum"] = "mean",
    old_logps: Tensor | None = None,
) -> Tensor:
    """The penalty is the mean over responses of `token_kl` reduced over tokens: KL of arXiv:2506.07464, Eq. 2 and 8.

    "mean" over a response's tokens is the default: it is GRPO's scale, where a weight means the same at every length.
    "sum" is the KL of whole responses, the one that matches Reg-GRPO's rho. There a token mean is diluted: while std
    rho is below the floor s, a weight beta acts like beta s / (2 |y|) beside GRPO. A response without tokens adds 0
    and counts. Arguments and errors as for `token_kl`; `ValueError` for an unknown reduction too.
    """
    if reduction not in ("mean", "sum"):
        raise ValueError(f'reduction is {reduction!r}: use "mean" or "sum"')
    per_token = token_kl(policy_logps, ref_logps, mask, estimator=estimator, clamp=clamp, old_logps=old_logps)
    per_response = per_token.sum(dim=1)
    if reduction == "mean":
        per_response = per_response / mask.bool().sum(dim=1).clamp_min(1)
    return per_response.mean()
