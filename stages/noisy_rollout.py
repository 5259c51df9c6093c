"""NoisyRollout (arXiv:2504.13055): clean and noisy responses in one group, which is trained on the clean input.

Departure: the noise follows the sample's level, not the paper's schedule over the training.
The responses to the noisy video only widen what the group explores: policy, old policy and reference see the clean one.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from storage.records import Rollout

NOISY = frozenset({"noise", "mask"})
"""Augmentations that alter the video to make a sample harder."""
RESPONSE_FIELDS = (
    "group_id", "pass_", "rollout_index", "augmentation", "level", "seed",
    "response", "response_token_ids", "engine_logprobs", "finish_reason", "predicted_answer",
    "reward", "reward_format", "reward_accuracy", "reward_iou",
)  # fmt: skip
"""What stays a response's own on another input; `engine_logprobs` are those of the input it was sampled on."""


def mixed_group(clean: Sequence[Rollout], noisy: Sequence[Rollout]) -> list[Rollout]:
    """The first half of `clean` and the first half of `noisy`, all on the clean input.

    Each row keeps group_id and rollout_index, by which it is found in `rollouts` with the input it was sampled on.
    """
    half = len(clean) // 2
    responses = ({name: getattr(row, name) for name in RESPONSE_FIELDS} for row in noisy[:half])
    return [*clean[:half], *(dataclasses.replace(clean[0], **response) for response in responses)]
