"""M-RoPE positions of a prompt with one video, as Qwen2.5-VL was trained and as vLLM computes them.

Text counts on from the largest position so far plus one, the video's temporal positions included. transformers 5.19
counts on from the video's height and width alone (`get_rope_index`), so its text positions fall behind the engine's as
soon as a video is longer than it is wide; the trainer therefore passes positions itself.

    token      t   t   v00 v00 v01 v01   t      two frame pairs of 1 x 2 tokens, two seconds x tokens_per_second apart
    time       0   1   2   2   6   6     7
    height     0   1   2   2   2   2     7
    width      0   1   2   3   2   3     7
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor


def mrope_positions(token_ids: Tensor, grid_thw: Tensor, second_per_grid: float, config: Any) -> Tensor:
    """int64 [3, L]: time, height and width position of each of the L tokens; padding counts as text.

    token_ids: [L] with one unbroken run of video placeholders. grid_thw: [3], patches. config: the model's.
    """
    merge = config.vision_config.spatial_merge_size
    frames, height, width = int(grid_thw[0]), int(grid_thw[1]) // merge, int(grid_thw[2]) // merge
    rate = getattr(config.vision_config, "tokens_per_second", None)  # Qwen2-VL has none: one position a frame pair
    interval = 1.0 if rate is None else second_per_grid * rate
    start = int((token_ids == config.video_token_id).int().argmax())
    time = (torch.arange(frames, dtype=torch.float64) * interval).long()
    grids = torch.meshgrid(time, torch.arange(height), torch.arange(width), indexing="ij")
    video = torch.stack(grids).flatten(1) + start
    after = len(token_ids) - start - video.shape[1]
    text = (torch.arange(start), int(video.max()) + 1 + torch.arange(after))
    return torch.cat([text[0].expand(3, -1), video, text[1].expand(3, -1)], dim=1)
