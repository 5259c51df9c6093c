"""A border around whole frames: the cue that says "look here"."""

from __future__ import annotations

import numpy as np

COLOUR = (255, 0, 255)
"""Magenta, RGB: no question of the embedded data set asks for it, and it is rare in photographs."""
SHARE = 1 / 16
"""Width of the border as a share of the shorter side, at least one pixel."""


def mark_frames(frames: np.ndarray, positions: np.ndarray) -> np.ndarray:
    """uint8 `[T, H, W, 3]`: a copy of `frames` with a border on those at `positions`, int64 in 0..T-1."""
    marked = frames.copy()
    width = max(1, round(min(frames.shape[1:3]) * SHARE))
    for i in positions:
        frame = marked[i]
        frame[:width] = frame[-width:] = COLOUR
        frame[:, :width] = frame[:, -width:] = COLOUR
    return marked
