"""Group-relative advantages: A = (R - group mean) / group std, the A_i of arXiv:2506.07464, Eq. 2."""

from typing import Literal

import torch
from torch import Tensor


def as_groups(values: Tensor, group_size: int) -> Tensor:
    """One row a group: [N] in group order becomes [N / group_size, group_size].

    Raises:
        ValueError: `group_size` is below 2, or `values` is not a whole number of groups.
    """
    if group_size < 2:
        raise ValueError(f"group_size is {group_size}: a response is compared within its group; use at least 2")
    if values.ndim != 1 or len(values) % group_size:
        raise ValueError(
            f"got shape {tuple(values.shape)} for groups of {group_size}: pass one number a response, "
            "whole groups only, the responses of a group side by side"
        )
    return values.reshape(-1, group_size)


def advantages(
    rewards: Tensor,
    group_size: int,
    *,
    std: Literal["population", "sample"] = "population",
    eps: float = 0.0,
) -> Tensor:
    """The advantage is (R - mean R) / (std R + eps) over the group, arXiv:2506.07464, Eq. 2.

    Zero exactly for a group whose rewards are all equal. The paper does not say which std it divides by: "population"
    divides the squares by G, "sample" by G - 1 (TRL, with eps = 1e-4).

    Args:
        rewards: [N] floats, N = groups x group_size in group order; higher is better.
        group_size: G, responses a group; at least 2.
        std: the estimator of the group's standard deviation.
        eps: added to the standard deviation, in units of the reward; at least 0.

    Returns:
        [N], in the dtype of `rewards`; the arithmetic is float64.

    Raises:
        ValueError: incomplete groups, an unknown `std`, a negative `eps`, or rewards that are not finite floats.
    """
    grouped = as_groups(rewards, group_size)
    if not rewards.is_floating_point():
        raise ValueError(f"rewards are {rewards.dtype}: advantages are fractions; pass rewards.float()")
    if not torch.isfinite(rewards).all():
        where = int((~torch.isfinite(rewards)).nonzero()[0, 0])
        raise ValueError(f"rewards[{where}] is {rewards[where].item()}: rewards are finite; score or drop its group")
    if std not in ("population", "sample"):
        raise ValueError(f'std is {std!r}: use "population" or "sample"')
    if not eps >= 0:
        raise ValueError(f"eps is {eps}: it keeps the divisor away from zero; use 0 or more")
    # The rewards are compared, not their std: the mean of equal floats may round away from them and leave a std > 0.
    equal = (grouped == grouped[:, :1]).all(dim=1, keepdim=True)
    centred = grouped.double() - grouped.double().mean(dim=1, keepdim=True)
    # Dividing by the largest deviation first keeps the squares of tiny differences from vanishing.
    largest = centred.abs().amax(dim=1, keepdim=True).clamp_min(torch.finfo(torch.float64).tiny)
    scaled = centred / largest
    num_free = group_size if std == "population" else group_size - 1
    scaled_std = (scaled.square().sum(dim=1, keepdim=True) / num_free).sqrt()
    return torch.where(equal, 0.0, scaled / (scaled_std + eps / largest)).to(rewards.dtype).reshape(-1)


def live_groups(advantages: Tensor, group_size: int) -> Tensor:
    """A group is live if any advantage in it is non-zero: [N] becomes booleans [num_groups].

    The share of the others is the vanishing ratio.
    """
    return (as_groups(advantages, group_size) != 0).any(dim=1)


def centred_rewards(rewards: Tensor, group_size: int) -> Tensor:
    """The advantage is R - mean R over the group, not divided by its std (Dr. GRPO, arXiv:2503.20783): [N] to [N].

    Exactly 0 for a group whose rewards are all equal. Errors as for `as_groups`.
    """
    grouped = as_groups(rewards, group_size)
    equal = (grouped == grouped[:, :1]).all(dim=1, keepdim=True)
    centred = grouped.double() - grouped.double().mean(dim=1, keepdim=True)
    return torch.where(equal, 0.0, centred).to(rewards.dtype).reshape(-1)


def leave_one_out(rewards: Tensor, group_size: int) -> Tensor:
    """The advantage is R_i less the mean of the group's other rewards, G / (G - 1) (R_i - mean R): [N] to [N].

    RLOO, arXiv:2402.14740. Errors as for `as_groups`.
    """
    return centred_rewards(rewards, group_size) * (group_size / (group_size - 1))
