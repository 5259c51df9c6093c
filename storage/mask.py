"""Whole frames made black: the model sees that time passes there, and nothing else."""

from __future__ import annotations

import numpy as np


def mask_frames(frames: np.ndarray, positions: np.ndarray) -> np.ndarray:
    """uint8 `[T, H, W, 3]`: a copy of `frames` that is 0 at `positions`, int64 in 0..T-1."""
    masked = frames.copy()
    masked[positions] = 0
    return masked
