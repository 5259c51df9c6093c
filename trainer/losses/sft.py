"""SFT: -mean_t log pi_theta(y_t), the negative log-likelihood of the responses it is given."""

import torch
from torch import Tensor

from trainer.losses.shapes import check_tokens


def sft(policy_logps: Tensor, mask: Tensor) -> Tensor:
    """The loss is the mean over responses of the mean over their tokens of -log pi_theta.

    The train stage gives it the best response of each group (RAFT, arXiv:2304.06767): a gold answer alone has neither
    reasoning nor format to imitate.

    Args:
        policy_logps: [N, T] log-probs of the response tokens; has the gradient.
        mask: [N, T], true at response tokens. What the others hold is never read, NaN included.

    Returns:
        A scalar to minimise, at least float32; a response without tokens adds 0 and counts; 0 without responses.

    Raises:
        ValueError: shapes that differ.
    """
    check_tokens(policy_logps=policy_logps, mask=mask)
    dtype = torch.promote_types(policy_logps.dtype, torch.float32)
    mask = mask.bool()
    per_response = torch.where(mask, policy_logps.to(dtype), 0.0).sum(dim=1) / mask.sum(dim=1).clamp_min(1)
    return -per_response.sum() / max(len(mask), 1)
