"""M-RoPE positions of a prompt with a video, an image or both, as Qwen2.5-VL was trained and as vLLM computes them.

Text counts on from the largest position so far plus one, the video's temporal positions included. transformers 5.19
counts on from the video's height and width alone (`get_rope_index`), so its text positions fall behind the engine's as
soon as a video is longer than it is wide; the trainer therefore passes positions itself.

    token      t   t   v00 v00 v01 v01   t   i0  i0   t      a video of two frame pairs of 1 x 2 tokens, two seconds x
    time       0   1   2   2   6   6     7   8   8    10     tokens_per_second apart, then an image of 1 x 2 tokens
    height     0   1   2   2   2   2     7   8   8    10
    width      0   1   2   3   2   3     7   8   9    10
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from storage.records import Modality


@dataclass(frozen=True, slots=True, eq=False)
class Grid:
    """The patches of a video or image: int64 [3], time, height and width; an image has one step of time."""

    thw: Tensor
    second_per_step: float = 1.0


def mrope_positions(token_ids: Tensor, grids: Mapping[Modality, Grid], config: Any) -> Tensor:
    """int64 [3, L]: time, height and width position of each of the L tokens; padding counts as text.

    token_ids: [L] with one unbroken run of placeholders for each of `grids`. config: the model's.
    """
    placed = sorted((_start(token_ids, modality, config), modality) for modality in grids)
    parts, done, position = list[Tensor](), 0, 0
    for start, modality in placed:
        text = start - done
        parts.append((position + torch.arange(text)).expand(3, -1))
        vision = _vision_positions(grids[modality], config) + position + text
        parts.append(vision)
        done, position = start + vision.shape[1], int(vision.max()) + 1
    return torch.cat([*parts, (position + torch.arange(len(token_ids) - done)).expand(3, -1)], dim=1)


def _start(token_ids: Tensor, modality: Modality, config: Any) -> int:
    return int((token_ids == getattr(config, f"{modality}_token_id")).int().argmax())


def _vision_positions(grid: Grid, config: Any) -> Tensor:
    """int64 [3, V], counted from 0."""
    merge = config.vision_config.spatial_merge_size
    steps, height, width = int(grid.thw[0]), int(grid.thw[1]) // merge, int(grid.thw[2]) // merge
    rate = getattr(config.vision_config, "tokens_per_second", None)  # Qwen2-VL has none: one position a frame pair
    interval = 1.0 if rate is None else grid.second_per_step * rate
    time = (torch.arange(steps, dtype=torch.float64) * interval).long()
    return torch.stack(torch.meshgrid(time, torch.arange(height), torch.arange(width), indexing="ij")).flatten(1)
