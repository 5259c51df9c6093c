"""REBEL: ((rho_i - rho_j) / eta - (R_i - R_j))^2 over a group's pairs; arXiv:2404.16767."""

from torch import Tensor

from trainer.advantage import as_groups
from trainer.losses.log_ratio import log_ratio
from trainer.losses.shapes import check_responses


def rebel(
    policy_logps: Tensor, old_logps: Tensor, rewards: Tensor, mask: Tensor, *, group_size: int, eta: float = 1.0
) -> Tensor:
    """The loss is the mean over all pairs i != j of a group, then over groups: a difference takes log Z(x) away.

    With z = rho / eta - R a pair's term is (z_i - z_j)^2, and over all G (G - 1) pairs their mean is
    2 G / (G - 1) mean (z - mean z)^2: one pass over the group, which is what is computed.
    dL/drho_i = (4 / ((G - 1) eta)) (c_i / eta - (R_i - mean R)), c = rho - mean rho: the scale of rho is seen, and ends
    where std rho = eta std R; a shift of rho or R within the group is not. A group of equal rewards pulls its rho
    together, and has no gradient at theta = old.

    Args:
        policy_logps: [N, T] log-probs of the response tokens, N in group order; has the gradient.
        old_logps: [N, T], the same tokens under the policy that sampled; a constant.
        rewards: [N]; a constant.
        mask: [N, T], true at response tokens. What the others hold is never read, NaN included.
        group_size: G, at least 2.
        eta: nats a unit of reward, above 0: how far one round may move.

    Returns:
        A scalar to minimise, at least float32.

    Raises:
        ValueError: shapes that differ, incomplete groups, an `eta` that is not above 0.
    """
    rho = log_ratio(policy_logps, old_logps, mask)
    check_responses(mask, rewards=rewards)
    if not eta > 0:
        raise ValueError(f"eta is {eta}: rho is divided by it and it must be above 0; use 1")
    residual = as_groups(rho / eta - rewards.detach().to(rho.dtype), group_size)
    centred = residual - residual.mean(dim=1, keepdim=True)
    return 2 * group_size / (group_size - 1) * centred.square().mean()
