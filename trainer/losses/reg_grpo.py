"""Reg-GRPO: mean of (A - Ahat)^2, Ahat = (rho - mean rho) / std rho; arXiv:2506.07464, Eq. 8 without its KL term."""

from typing import Literal, get_args

import torch
from torch import Tensor

from trainer.advantage import as_groups, live_groups
from trainer.losses.importance import weighed
from trainer.losses.log_ratio import log_ratio
from trainer.losses.shapes import check_responses

Normaliser = Literal["exact", "smooth", "detached", "fixed"]


def reg_grpo(
    policy_logps: Tensor,
    old_logps: Tensor,
    advantages: Tensor,
    mask: Tensor,
    *,
    group_size: int,
    std_floor: float = 1e-6,
    reduction: Literal["sum", "mean"] = "sum",
    normaliser: Normaliser = "exact",
    std: Literal["population", "sample"] = "population",
    count_vanished: bool = False,
    sampling_weights: Tensor | None = None,
) -> Tensor:
    """The loss is mean (A - Ahat)^2 with Ahat = (rho - mean rho) / max(std rho, s), arXiv:2506.07464, Eq. 8.

    rho = log pi_theta(y|x) - log pi_old(y|x), one number a response; mean and std are over its group of G.
    With c = rho - mean rho, r the correlation of A and rho, A of mean 0 and population std 1, normaliser "exact":

    * std rho > s: the loss is 2 (1 - r) and dL/drho = -(2 / (G std rho)) (A - r Ahat). That is orthogonal to rho and
      to the constant vector, so nothing here bounds the scale or the common shift of rho: `losses/kl.py` has to.
    * std rho < s: dL/drho = -(2 / (G s)) (A - c / s); at rho = 0, 2 / s times sequence-sum REINFORCE.

    There is a jump at the floor: a group in exactly reversed order (r = -1) has its largest gradient just below it and
    none above, and G = 2 has none above at all. What divides c is therefore a choice:

    * "exact": max(std rho, s), Eq. 8 wherever it is defined.
    * "smooth": sqrt(var rho + s^2). No jump, and std Ahat < 1 always: reversed groups and G = 2 keep a gradient.
    * "detached": exact, but a constant in the gradient, which is -(2 / (G std rho)) (A - Ahat) above the floor. It
      turns reversed groups round and shrinks the scale of rho while r < 1, but is not the gradient of Eq. 8.
    * "fixed": s. The regression of c onto s A at every scale.

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
        normaliser: what c is divided by, above.
        std: of rho, over G ("population") or G - 1 ("sample"). Use the advantages' own: with "sample" on both sides the
            loss is 2 (G - 1) / G (1 - r).
        count_vanished: groups without advantage count in the divisor of the mean; they add 0 to its sum either way.
        sampling_weights: [N, 1], what each response's squared error is multiplied by (`losses.importance`, level
            "sequence"); mean and std of the group stay unweighted. None for 1.

    Returns:
        A scalar, the mean over live groups (or all); 0 with zero gradients if there are none. At least float32.

    Raises:
        ValueError: shapes that differ, incomplete groups, a floor too small to divide by, an unknown reduction,
            normaliser or std.
    """
    rho = log_ratio(policy_logps, old_logps, mask, reduction=reduction)
    check_responses(mask, advantages=advantages)
    if normaliser not in get_args(Normaliser):
        raise ValueError(f"normaliser is {normaliser!r}: use one of {', '.join(get_args(Normaliser))}")
    if std not in ("population", "sample"):
        raise ValueError(f'std is {std!r}: use "population" or "sample"')
    if not (std_floor > 0 and std_floor**2 >= torch.finfo(rho.dtype).tiny):
        raise ValueError(f"std_floor is {std_floor}: its square divides and must be positive in {rho.dtype}; use 1e-6")
    # Selecting the live groups keeps the others, whatever they hold, out of the gradient.
    live = live_groups(advantages, group_size)
    actual = as_groups(advantages.detach().to(rho.dtype), group_size)[live]
    rho = as_groups(rho, group_size)[live]
    weights = None if sampling_weights is None else sampling_weights[live.repeat_interleave(group_size)]
    centred = rho - rho.mean(dim=1, keepdim=True)
    num_free = group_size if std == "population" else group_size - 1
    predicted = centred / _divisor(centred, normaliser, std_floor, num_free)
    squared_error = (actual - predicted).square().reshape(-1, 1)
    error = as_groups(weighed(squared_error, weights).squeeze(1), group_size).mean(dim=1)
    return error.sum() / max(len(live) if count_vanished else len(error), 1)


def _divisor(centred: Tensor, normaliser: Normaliser, std_floor: float, num_free: int) -> Tensor:
    """What each group's [groups, G] centred rho are divided by, [groups, 1]."""
    if normaliser == "fixed":
        return torch.full_like(centred[:, :1], std_floor)
    variance = centred.square().sum(dim=1, keepdim=True) / num_free
    if normaliser == "smooth":
        return (variance + std_floor**2).sqrt()
    # The variance is clamped before the root: sqrt has an infinite slope at 0, and infinity * 0 is NaN.
    divisor = variance.clamp_min(std_floor**2).sqrt()
    return divisor.detach() if normaliser == "detached" else divisor
