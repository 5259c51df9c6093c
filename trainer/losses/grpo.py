"""GRPO: -min(w A, clip(w) A) a token, w = pi_theta / pi_old; arXiv:2506.07464, Eq. 2 without its KL term."""

from torch import Tensor

from trainer.losses.surrogate import clipped_surrogate


def grpo(
    policy_logps: Tensor,
    old_logps: Tensor,
    advantages: Tensor,
    mask: Tensor,
    *,
    clip_low: float | None = 0.2,
    clip_high: float | None = 0.2,
    sampling_weights: Tensor | None = None,
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
        sampling_weights: [N, T] of tokens or [N, 1] of responses, from `losses.importance`; None for 1.

    Returns:
        A scalar to minimise, at least float32.

    Raises:
        ValueError: shapes that differ.
    """
    surrogate = clipped_surrogate(
        policy_logps,
        old_logps,
        advantages,
        mask,
        clip_low=clip_low,
        clip_high=clip_high,
        sampling_weights=sampling_weights,
    )
    num_tokens = mask.bool().sum(dim=1).clamp_min(1)
    return -(surrogate.sum(dim=1) / num_tokens).mean()
