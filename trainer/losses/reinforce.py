"""REINFORCE: -A log pi_theta(y|x), log pi summed over a response's tokens, A = R - b; Williams 1992."""

import torch
from torch import Tensor

from trainer.losses.importance import weighed
from trainer.losses.shapes import check_responses, check_tokens


def reinforce(
    policy_logps: Tensor, advantages: Tensor, mask: Tensor, *, sampling_weights: Tensor | None = None
) -> Tensor:
    """The loss is -mean A sum_t log pi_theta(y_t): its gradient at theta = old is the policy gradient of mean R.

    Its value means nothing. There is no ratio to the old policy: after the first update of a round the responses are no
    longer the policy's own and the gradient is biased; `train.updates_per_batch = 1` keeps it near.

    Args:
        policy_logps: [N, T] log-probs of the response tokens; has the gradient.
        advantages: [N], the reward less a baseline that does not depend on the response; a constant.
        mask: [N, T], true at response tokens. What the others hold is never read, NaN included.
        sampling_weights: [N, T] of tokens or [N, 1] of responses, from `losses.importance`; None for 1.

    Returns:
        A scalar to minimise, at least float32; a response without tokens adds 0 and counts.

    Raises:
        ValueError: shapes that differ.
    """
    check_tokens(policy_logps=policy_logps, mask=mask)
    check_responses(mask, advantages=advantages)
    dtype = torch.promote_types(policy_logps.dtype, torch.float32)
    logps = torch.where(mask.bool(), policy_logps.to(dtype), 0.0)
    sequence_logps = weighed(logps, sampling_weights).sum(dim=1)
    return -(advantages.detach().to(dtype) * sequence_logps).mean()
