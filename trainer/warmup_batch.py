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
    """A text without video, in parts: given and learned in turn, given first."""

    parts: tuple[str, ...]

    @property
    def text(self) -> str:
        """All parts."""
        return "".join(self.parts)


@dataclass(frozen=True, slots=True)
class Example:
    """A rendered prompt with one video placeholder, the response to learn, and the position of its clip."""

    prompt: str
    response: str
    clip: int

    @property
    def text(self) -> str:
        """Prompt and response."""
        return self.prompt + self.response


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


@dataclass(frozen=True, slots=True)
class Tokens:
    """Token ids and labels of one text; a label is the id itself where it is learned, else IGNORED."""

    ids: list[int]
    labels: list[int]


def encode_example(tokenizer: Any, example: Example, num_video_tokens: int) -> Tokens:
    """The prompt with as many placeholders as features, then response and end token, which are learned."""
    prompt = example.prompt.replace("<|video_pad|>", "<|video_pad|>" * num_video_tokens)
    given = tokenizer.encode(prompt, add_special_tokens=False)
    learned = [*tokenizer.encode(example.response, add_special_tokens=False), tokenizer.eos_token_id]
    return Tokens(given + learned, [IGNORED] * len(given) + learned)


def encode_exercise(tokenizer: Any, exercise: Exercise) -> Tokens:
    """The parts one after the other."""
    ids, labels = list[int](), list[int]()
    for index, part in enumerate(exercise.parts):
        tokens = tokenizer.encode(part, add_special_tokens=False)
        ids += tokens
        labels += tokens if index % 2 else [IGNORED] * len(tokens)
    return Tokens(ids, labels)


def collate(batch: Sequence[Tokens], video_id: int) -> dict[str, torch.Tensor]:
    """Token ids, mask and labels, int64, and `is_video`, bool: [N, T] each, padded on the right."""
    longest = max(len(tokens.ids) for tokens in batch)
    input_ids = torch.zeros(len(batch), longest, dtype=torch.int64)
    labels = torch.full_like(input_ids, IGNORED)
    mask = torch.zeros_like(input_ids)
    for row, tokens in enumerate(batch):
        input_ids[row, : len(tokens.ids)] = torch.tensor(tokens.ids)
        labels[row, : len(tokens.ids)] = torch.tensor(tokens.labels)
        mask[row, : len(tokens.ids)] = 1
    return {"input_ids": input_ids, "attention_mask": mask, "labels": labels, "is_video": input_ids == video_id}
