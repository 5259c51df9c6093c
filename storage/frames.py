"""The frames a model is shown: read by one function, for the engine, the trainer and whoever looks at them."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np

from storage.container import TIMEOUT_SECONDS
from storage.mark import mark_frames
from storage.mask import mask_frames
from storage.noise import add_noise
from storage.records import Alteration
from storage.sampling import Choice, every_frame
from storage.video import Video, read_video


def read_frames(
    path: str | Path,
    choose: Choice,
    max_pixels: int,
    alteration: Alteration,
    *,
    timeout_seconds: float = TIMEOUT_SECONDS,
) -> Video:
    """`read_video` of the file that a record names, altered where the record says that this is left to the reader.

    A file that holds altered frames holds those that were chosen, and is read whole. The frames are the same bytes
    either way, with the same OpenCV. Raises VideoError for a video that cannot be used.
    """
    choose = every_frame if alteration.is_in_file else choose
    video = read_video(path, max_pixels=max_pixels, choose=choose, timeout_seconds=timeout_seconds)
    return dataclasses.replace(video, frames=alter(video.frames, alteration)) if alteration.altered_on_read else video


def alter(frames: np.ndarray, alteration: Alteration) -> np.ndarray:
    """uint8 `[T, H, W, 3]`: `frames` with noise, then with black frames, then with borders, as `alteration` says."""
    if alteration.noise_sigma is not None and alteration.noise_seed is not None:
        frames = add_noise(frames, alteration.noise_sigma, alteration.noise_seed)
    if len(alteration.masked_frames):
        frames = mask_frames(frames, alteration.masked_frames)
    if len(alteration.marked_frames):
        frames = mark_frames(frames, alteration.marked_frames)
    return frames
