"""Groups of curated rollouts as model inputs: the engine's own tokens, the frames the engine saw.

Layout of one row, P prompt and T response tokens, right-padded to the longest row of the batch:

    input_ids       p p <vision> v v v </vision> p p | y y y . .
    response mask                                      1 1 1 0 0   [N, T]

The encoder is frozen, so a group's video features are computed once a round and shared by its rows and passes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence
from transformers.modeling_outputs import BaseModelOutputWithPooling

from storage.frames import read_frames
from storage.records import Rollout
from storage.video import pixel_limits
from trainer.positions import mrope_positions


class ParityError(Exception):
    """Engine and trainer disagree on what a prompt is; training on it would be training on something else."""


@dataclass(frozen=True, slots=True, eq=False)
class Group:
    """The rollouts of one group with their video encoded. features: [V, hidden], one row a placeholder token."""

    rollouts: Sequence[Rollout]
    features: Tensor
    grid_thw: Tensor
    second_per_grid: float


@dataclass(frozen=True, slots=True, eq=False)
class Batch:
    """Rows of one or more groups, N in group order. responses, mask: [N, T]; prompt_lengths: [N]."""

    inputs: dict[str, Any]
    responses: Tensor
    mask: Tensor
    prompt_lengths: Tensor
    temperature: float


def encode_group(
    rollouts: Sequence[Rollout], model: Any, processor: Any, locate: Callable[[str], Path], device: torch.device
) -> Group:
    """Reads and encodes a group's video and checks that the trainer's prompt tokens are the engine's.

    Raises ParityError naming the sample if the tokens, or the number of placeholders and features, differ.
    """
    first = rollouts[0]
    video = read_frames(locate(first.video_path), len(first.frame_indices), first.max_pixels, first.alteration)
    if not np.array_equal(video.indices, first.frame_indices):
        raise ParityError(
            f"sample {first.sample_id}: frames {video.indices} were read, the engine saw {first.frame_indices}"
        )
    encoded = processor(
        text=[first.prompt],
        videos=[video.frames],
        videos_kwargs={"video_metadata": [video.metadata()], "size": pixel_limits(first.min_pixels, first.max_pixels)},
        return_tensors="pt",
    )
    trainer_ids = encoded["input_ids"][0].numpy()
    if not np.array_equal(trainer_ids, first.prompt_token_ids):
        raise ParityError(
            f"sample {first.sample_id}: the trainer's {len(trainer_ids)} prompt tokens are not the engine's "
            f"{len(first.prompt_token_ids)}; engine and trainer must load the same processor with the same pixel limits"
        )
    with torch.no_grad():
        pixels, grid = encoded["pixel_values_videos"].to(device), encoded["video_grid_thw"].to(device)
        features = torch.cat(model.model.get_video_features(pixels, grid, return_dict=True).pooler_output)
    placeholders = int((trainer_ids == model.config.video_token_id).sum())
    if placeholders != len(features):
        raise ParityError(f"sample {first.sample_id}: {placeholders} video placeholders, but {len(features)} features")
    return Group(rollouts, features, grid, float(encoded["second_per_grid_ts"][0]))


def collate(groups: Sequence[Group], config: Any, device: torch.device) -> Batch:
    """The rows of `groups` as one right-padded batch on `device`; `config` is the model's."""
    rows = [(group, rollout) for group in groups for rollout in group.rollouts]
    ids = [_ids(r.prompt_token_ids, r.response_token_ids) for _, r in rows]
    input_ids = pad_sequence(ids, batch_first=True).to(device)
    lengths = torch.tensor([len(row) for row in ids])
    attention = (torch.arange(input_ids.shape[1])[None] < lengths[:, None]).to(device)
    positions = [
        mrope_positions(row, group.grid_thw[0], group.second_per_grid, config)
        for row, (group, _) in zip(input_ids.cpu(), rows, strict=True)
    ]
    responses = [torch.as_tensor(r.response_token_ids.astype(np.int64)) for _, r in rows]
    features: Any = tuple(group.features for group, _ in rows)
    inputs = {
        "input_ids": input_ids,
        "attention_mask": attention.long(),
        "position_ids": torch.stack(positions, dim=1).to(device),
        "mm_encoder_outputs": {"video": BaseModelOutputWithPooling(pooler_output=features)},
    }
    return Batch(
        inputs=inputs,
        responses=pad_sequence(responses, batch_first=True).to(device),
        mask=pad_sequence([torch.ones(len(r), dtype=torch.bool) for r in responses], batch_first=True).to(device),
        prompt_lengths=torch.tensor([len(r.prompt_token_ids) for _, r in rows], device=device),
        temperature=rows[0][1].temperature,
    )


def _ids(prompt: np.ndarray, response: np.ndarray) -> Tensor:
    return torch.as_tensor(np.concatenate([prompt, response]).astype(np.int64))
