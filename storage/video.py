"""Read a video: uint8 `[T, H, W, C]` (RGB) with its real timestamps, through PyAV for every container.

Packets are read (`packets.py`), frames chosen by their times (`sampling.py`), and those decoded (`decode.py`).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from av.video.reformatter import VideoReformatter

from storage.container import TIMEOUT_SECONDS, Deadline
from storage.decode import decode
from storage.errors import VideoError
from storage.packets import read_packets
from storage.part import Part
from storage.reduce import reduced
from storage.sampling import Choice, EveryFrame, Uniform

VISION_TOKENS = ("<|video_pad|>", "<|image_pad|>", "<|vision_start|>", "<|vision_end|>", "<|vision_pad|>")
"""What stands for a video in Qwen's prompts; sampled in a response, one breaks the next forward pass."""


@dataclass(frozen=True, slots=True)
class Video:
    """Decoded frames.

    frames: uint8 [T, H, W, C], RGB.
    times: float64 [T], presentation time of each frame in seconds.
    indices: int64 [T], position of each frame in the file, or in the part of it that was asked for.
    num_file_frames: frames in the file, or in that part.
    fps: average frame rate of the file, frames per second.
    """

    frames: np.ndarray
    times: np.ndarray
    indices: np.ndarray
    num_file_frames: int
    fps: float

    def metadata(self) -> dict[str, Any]:
        """What the processors of transformers and vLLM need to know about frames that were sampled already."""
        return {
            "fps": self.fps,
            "duration": self.num_file_frames / self.fps,
            "total_num_frames": self.num_file_frames,
            "frames_indices": self.indices.tolist(),
            "video_backend": "pyav",
        }


def pixel_limits(min_pixels: int, max_pixels: int) -> dict[str, int]:
    """Limits in pixels a frame, as the video processors of transformers and vLLM name them."""
    return {"shortest_edge": min_pixels, "longest_edge": max_pixels}


def read_video(
    path: str | Path,
    num_frames: int | None = None,
    max_pixels: int | None = None,
    *,
    choose: Choice | None = None,
    part: Part | None = None,
    timeout_seconds: float = TIMEOUT_SECONDS,
) -> Video:
    """Reads the frames of `path` that `choose` chooses: by default `num_frames` uniformly spaced ones, or all.

    With a `part`, start and end in seconds from the first frame, those outside of it are as if they were not there.
    Frames are turned upright where the file says so; transparency is left out. Frames of more than `max_pixels` are
    reduced to that many, sides in proportion. Memory grows with the frames that are asked for, not with the file.

    Raises VideoError if the file is missing, is no video, has no frame, was cut short, has frames of more pixels than
    8K or of several sizes, ends before `part` begins, or is not read within `timeout_seconds`. All of its packets are
    read, so that a cut is noticed wherever it is; a damaged picture among frames that nobody asked for is not.
    """
    path = Path(path)
    if not path.is_file():
        raise VideoError(f"{path}: no such video file")
    deadline = Deadline(path, timeout_seconds)
    packets = read_packets(path, deadline)
    choose = choose or (EveryFrame() if num_frames is None else Uniform(num_frames))
    to_rgb = VideoReformatter()  # one for all frames: setting it up costs more than a small frame

    def convert(frame: Any) -> np.ndarray:
        return reduced(_upright(to_rgb.reformat(frame, format="rgb24").to_ndarray(), frame.rotation), max_pixels)

    found = decode(path, packets, choose, convert, deadline, part)
    return Video(found.frames, found.times, found.indices, found.num_file_frames, float(packets.rate))


def _upright(frame: np.ndarray, degrees: int) -> np.ndarray:
    """A frame turned as its display matrix says: counter-clockwise, in quarter turns."""
    return np.ascontiguousarray(np.rot90(frame, round(degrees / 90)))
