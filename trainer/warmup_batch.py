"""The warm-up's data and its batches: padded on the right, with no padding and no prompt in the loss."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

IGNORED = -100


@dataclass(frozen=True, slots=True)
class Exercise:
    """A text without video: what is given, and what the model shall learn to write after it."""

    prompt: str
    response: str


@dataclass(frozen=True, slots=True)
class Example:
    """A rendered prompt with one video placeholder, the response to learn, and the position of its clip."""

    prompt: str
    response: str
    clip: int


class Clips:
    """Videos of one shape: uint8 [clips, T, H, W, 3], RGB, at `fps` frames per second."""

    def __init__(self, processor: Any, frames: np.ndarray, fps: float) -> None:
        self.frames, self.processor = frames, processor.video_processor
        self.seconds_per_pair = self.processor.temporal_patch_size / fps
        self.grid = self.vision([0])[1][0]

    def __len__(self) -> int:
        return len(self.frames)

    def vision(self, rows: Sequence[int]) -> tuple[torch.Tensor, torch.Tensor]:
        """Patches float32 [rows x patches, values] and grids int64 [rows, 3], as the model takes them."""
        batch = self.processor([self.frames[row] for row in rows], return_tensors="pt", return_metadata=False)
        return batch["pixel_values_videos"].flatten(0, -2), batch["video_grid_thw"]


def encode(tokenizer: Any, example: Example | Exercise, num_video_tokens: int = 1) -> tuple[list[int], int]:
    """Token ids of prompt, response and, after a prompt with video, the end token; and how many are the prompt's."""
    prompt = example.prompt.replace("<|video_pad|>", "<|video_pad|>" * num_video_tokens)
    prompt_ids = tokenizer.encode(prompt, add_special_tokens=False)
    response_ids = tokenizer.encode(example.response, add_special_tokens=False)
    end = [tokenizer.eos_token_id] if isinstance(example, Example) else []
    return [*prompt_ids, *response_ids, *end], len(prompt_ids)


def collate(encoded: Sequence[tuple[list[int], int]], video_id: int) -> dict[str, torch.Tensor]:
    """Token ids, mask, labels (responses only), int64, and `is_video`, bool: [N, T] each, padded on the right."""
    longest = max(len(ids) for ids, _ in encoded)
    input_ids = torch.zeros(len(encoded), longest, dtype=torch.int64)
    labels = torch.full_like(input_ids, IGNORED)
    mask = torch.zeros_like(input_ids)
    for row, (ids, num_prompt) in enumerate(encoded):
        input_ids[row, : len(ids)] = torch.tensor(ids)
        labels[row, num_prompt : len(ids)] = torch.tensor(ids[num_prompt:])
        mask[row, : len(ids)] = 1
    return {"input_ids": input_ids, "attention_mask": mask, "labels": labels, "is_video": input_ids == video_id}
