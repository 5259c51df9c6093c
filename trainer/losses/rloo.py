"""RLOO: REINFORCE with A_i = R_i - mean of the group's other rewards; arXiv:2402.14740."""

from torch import Tensor

from trainer.advantage import leave_one_out
from trainer.losses.reinforce import reinforce
from trainer.losses.shapes import check_responses


def rloo(
    policy_logps: Tensor, rewards: Tensor, mask: Tensor, *, group_size: int, sampling_weights: Tensor | None = None
) -> Tensor:
    """The loss is -mean A_i sum_t log pi_theta(y_it), A_i = R_i - sum_{j != i} R_j / (G - 1).

    A_i = G / (G - 1) (R_i - mean R). The baseline does not see y_i, so the gradient stays unbiased (the group's own
    mean would shrink it by (G - 1) / G). A shift of R changes nothing, a group of equal rewards has no gradient.

    Args:
        policy_logps: [N, T] log-probs of the response tokens, N in group order; has the gradient.
        rewards: [N]; a constant.
        mask: [N, T], true at response tokens. What the others hold is never read, NaN included.
        group_size: G, at least 2.
        sampling_weights: [N, T] of tokens or [N, 1] of responses, from `losses.importance`; None for 1.

    Returns:
        A scalar, as `losses.reinforce.reinforce`.

    Raises:
        ValueError: shapes that differ, incomplete groups.
    """
    check_responses(mask, rewards=rewards)
    actual = leave_one_out(rewards, group_size)
    return reinforce(policy_logps, actual, mask, sampling_weights=sampling_weights)
