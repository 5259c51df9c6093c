"""Dr. GRPO: -sum_t min(w A, clip(w) A) / L, A = R - mean R, the same L for every response; arXiv:2503.20783."""

from torch import Tensor

from trainer.losses.surrogate import clipped_surrogate


def dr_grpo(
    policy_logps: Tensor,
    old_logps: Tensor,
    advantages: Tensor,
    mask: Tensor,
    *,
    max_tokens: int,
    clip_low: float | None = 0.2,
    clip_high: float | None = 0.2,
    sampling_weights: Tensor | None = None,
) -> Tensor:
    """The loss is GRPO's (arXiv:2506.07464, Eq. 2) with the token sum over a constant for the token mean.

    GRPO has two weights that no reward asks for: 1 / |y| makes a long wrong response cheaper than a short one, and
    1 / std R makes nearly equal groups dear. This has neither: pass `trainer.advantage.centred_rewards`. At theta = old
    the gradient is sequence-sum REINFORCE's over L. The mean is over all N responses, as in `losses.grpo.grpo`, whose
    other arguments and errors these are.

    Args:
        advantages: [N], R - mean R of the group, not divided by its std.
        max_tokens: L, at least 1; the most tokens a response may have (`rollout.max_new_tokens`).

    Raises:
        ValueError: as for `grpo`, and for `max_tokens` below 1.
    """
    if max_tokens < 1:
        raise ValueError(f"max_tokens is {max_tokens}: the token sum is divided by it; use rollout.max_new_tokens")
    surrogate = clipped_surrogate(
        policy_logps,
        old_logps,
        advantages,
        mask,
        clip_low=clip_low,
        clip_high=clip_high,
        sampling_weights=sampling_weights,
    )
    return -(surrogate.sum(dim=1) / max_tokens).mean()
