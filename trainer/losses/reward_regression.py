"""Reward-Regression: (R - lambda rho - lambda log mean_j exp(R_j / lambda))^2; arXiv:2506.07464, Eq. 6."""

import math

from torch import Tensor

from trainer.advantage import as_groups
from trainer.losses.importance import weighed
from trainer.losses.log_ratio import log_ratio
from trainer.losses.shapes import check_responses


def reward_regression(
    policy_logps: Tensor,
    old_logps: Tensor,
    rewards: Tensor,
    mask: Tensor,
    *,
    group_size: int,
    kl_strength: float = 1.0,
    sampling_weights: Tensor | None = None,
) -> Tensor:
    """The loss regresses the reward on R = lambda rho + lambda log Z(x), Eq. 6, with Z(x) estimated from the group.

    Z(x) is the mean of exp(R / lambda) under the old policy: the group's mean. (The paper's appendix says Eq. 5 for
    this loss, a slip.) dL/drho_i = -(2 lambda / N) (R_i - lambda rho_i - lambda log Z). A shift of R changes nothing,
    one of rho does: unlike Reg-GRPO this loss fixes rho itself, with the error of log Z in it, which is below the truth
    on average (Jensen). A group of equal rewards pulls its rho to 0, and has no gradient at theta = old.

    Args:
        policy_logps: [N, T] log-probs of the response tokens, N in group order; has the gradient.
        old_logps: [N, T], the same tokens under the policy that sampled; a constant.
        rewards: [N]; a constant.
        mask: [N, T], true at response tokens. What the others hold is never read, NaN included.
        group_size: G, at least 2.
        kl_strength: lambda of Eq. 3, above 0: reward that a nat of KL to the old policy costs.
        sampling_weights: [N, 1], what each response's squared error is multiplied by (`losses.importance`, level
            "sequence"); log Z stays unweighted. None for 1.

    Returns:
        A scalar to minimise, at least float32.

    Raises:
        ValueError: shapes that differ, incomplete groups, a `kl_strength` that is not above 0.
    """
    rho = as_groups(log_ratio(policy_logps, old_logps, mask), group_size)
    check_responses(mask, rewards=rewards)
    if not kl_strength > 0:
        raise ValueError(f"kl_strength is {kl_strength}: rewards are divided by it and it must be above 0; use 1")
    actual = as_groups(rewards.detach().to(rho.dtype), group_size)
    log_z = (actual / kl_strength).logsumexp(dim=1, keepdim=True) - math.log(group_size)
    squared_error = (actual - kl_strength * (rho + log_z)).square()
    return weighed(squared_error.reshape(-1, 1), sampling_weights).mean()
