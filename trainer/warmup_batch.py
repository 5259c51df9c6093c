"""Batches for the warm-up: patches and token ids are computed once, padded on the right, no padding in the loss."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

IGNORED = -100


@dataclass(frozen=True, slots=True, eq=False)
class Clip:
    """A video for the warm-up.

    frames: uint8 [T, H, W, 3], RGB. fps: frames per second.
    labels: float32 [merged vision tokens, L], each 0 or 1: what the encoder should tell about each token's region.
    """

    frames: np.ndarray
    fps: float
    labels: np.ndarray


@dataclass(frozen=True, slots=True)
class Example:
    """A rendered prompt with one video placeholder, the response to learn, and the position of its clip."""

    prompt: str
    response: str
    clip: int


class Clips:
    """The patches of all clips, which share one shape: float32 [clips, patches, values a patch]."""

    def __init__(self, processor: Any, clips: Sequence[Clip], chunk: int = 64) -> None:
        parts = []
        for start in range(0, len(clips), chunk):
            batch = processor.video_processor(
                [clip.frames for clip in clips[start : start + chunk]], return_tensors="pt", return_metadata=False
            )
            parts.append(batch["pixel_values_videos"].reshape(len(batch["video_grid_thw"]), -1, 1176))
            self.grid: torch.Tensor = batch["video_grid_thw"][:1]
        self.patches = torch.cat(parts)
        self.labels = torch.from_numpy(np.stack([clip.labels for clip in clips]))
        self.seconds_per_pair = processor.video_processor.temporal_patch_size / clips[0].fps
        self.num_tokens = int(self.grid.prod()) // processor.video_processor.merge_size**2

    def vision(self, rows: Sequence[int]) -> tuple[torch.Tensor, torch.Tensor]:
        """Patches float32 [rows x patches, values] and grids int64 [rows, 3], as the model takes them."""
        return self.patches[list(rows)].flatten(0, 1), self.grid.repeat(len(rows), 1)


def encode(tokenizer: Any, example: Example, num_video_tokens: int) -> tuple[list[int], int]:
    """Token ids of prompt, response and end token, and how many of them are the prompt's."""
    prompt = example.prompt.replace("<|video_pad|>", "<|video_pad|>" * num_video_tokens)
    prompt_ids = tokenizer.encode(prompt, add_special_tokens=False)
    response_ids = tokenizer.encode(example.response, add_special_tokens=False)
    return [*prompt_ids, *response_ids, tokenizer.eos_token_id], len(prompt_ids)


def collate(encoded: Sequence[tuple[list[int], int]], video_id: int) -> dict[str, torch.Tensor]:
    """Token ids, mask, types (2 for video) and labels (responses only), int64 [N, T], padded on the right."""
    longest = max(len(ids) for ids, _ in encoded)
    input_ids = torch.zeros(len(encoded), longest, dtype=torch.int64)
    labels = torch.full_like(input_ids, IGNORED)
    mask = torch.zeros_like(input_ids)
    for row, (ids, num_prompt) in enumerate(encoded):
        input_ids[row, : len(ids)] = torch.tensor(ids)
        labels[row, num_prompt : len(ids)] = torch.tensor(ids[num_prompt:])
        mask[row, : len(ids)] = 1
    types = (input_ids == video_id).long() * 2
    return {"input_ids": input_ids, "attention_mask": mask, "mm_token_type_ids": types, "labels": labels}
