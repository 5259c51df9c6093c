"""Decode, encode and sample frames: a video in memory is uint8 `[T, H, W, C]` (RGB) with its real timestamps.

Two codecs are written: `h264` (small, lossy, 4:2:0; the embedded data set) and `ffv1` (lossless RGB; noise keeps
exactly the sigma that was asked for, see ENVIRONMENT.md). Reading goes through PyAV for every container.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, Literal

import av
import cv2
import numpy as np

Codec = Literal["h264", "ffv1"]
VISION_TOKENS = ("<|video_pad|>", "<|image_pad|>", "<|vision_start|>", "<|vision_end|>", "<|vision_pad|>")
"""What stands for a video in Qwen's prompts; sampled in a response, one breaks the next forward pass."""

_ENCODERS: dict[str, tuple[str, str, dict[str, str]]] = {
    "h264": ("libx264", "yuv420p", {"crf": "18", "preset": "veryfast", "threads": "1"}),
    "ffv1": ("ffv1", "bgr0", {"threads": "1"}),
}


class VideoError(ValueError):
    """A video that cannot be used; the message names the file and the reason."""


@dataclass(frozen=True, slots=True)
class Video:
    """Decoded frames.

    frames: uint8 [T, H, W, C], RGB.
    times: float64 [T], presentation time of each frame in seconds.
    indices: int64 [T], position of each frame in the file.
    num_file_frames: frames in the file.
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


def codec_available(codec: Codec) -> bool:
    """Whether this build of FFmpeg can encode `codec`."""
    return _ENCODERS[codec][0] in av.codecs_available


def pixel_limits(min_pixels: int, max_pixels: int) -> dict[str, int]:
    """Limits in pixels a frame, as the video processors of transformers and vLLM name them."""
    return {"shortest_edge": min_pixels, "longest_edge": max_pixels}


def uniform_indices(num_file_frames: int, num_frames: int) -> np.ndarray:
    """int64 [min(num_frames, num_file_frames)]: evenly spaced frame positions, first and last included."""
    count = min(num_frames, num_file_frames)
    return np.linspace(0, num_file_frames - 1, count).round().astype(np.int64)


def read_video(path: str | Path, num_frames: int | None = None, max_pixels: int | None = None) -> Video:
    """Decodes `path`; with `num_frames`, keeps that many uniformly spaced frames (all if the file has fewer).

    Frames of more than `max_pixels` are reduced to that many, sides in proportion.
    Raises VideoError if the file is missing, is no video, has no frame, or holds fewer frames than its header says.
    """
    path = Path(path)
    if not path.is_file():
        raise VideoError(f"{path}: no such video file")
    try:
        with av.open(str(path)) as container:
            if not container.streams.video:
                raise VideoError(f"{path}: holds no video stream")
            stream = container.streams.video[0]
            stream.thread_type = "AUTO"
            declared = stream.frames
            rate = stream.average_rate or Fraction(1)
            decoded = list(container.decode(stream))
    except (av.error.FFmpegError, OSError) as error:
        raise VideoError(f"{path}: cannot be decoded ({error})") from error
    if not decoded:
        raise VideoError(f"{path}: holds no frame")
    if len(decoded) < declared:
        raise VideoError(f"{path}: truncated, {len(decoded)} of {declared} frames decode")
    total = len(decoded)
    indices = uniform_indices(total, num_frames) if num_frames is not None else np.arange(total)
    frames = np.stack([_reduced(decoded[i].to_ndarray(format="rgb24"), max_pixels) for i in indices])
    times = np.array(
        [decoded[i].time if decoded[i].time is not None else float(i / float(rate)) for i in indices], dtype=np.float64
    )
    return Video(frames, times, indices.astype(np.int64), total, float(rate))


def write_video(path: str | Path, frames: np.ndarray, fps: float, codec: Codec) -> None:
    """Encodes uint8 `[T, H, W, 3]` RGB `frames` to `path`; the same frames give the same bytes.

    Raises VideoError if this build lacks the encoder.
    """
    name, pixel_format, options = _ENCODERS[codec]
    if not codec_available(codec):
        raise VideoError(
            f"{path}: this FFmpeg build has no {name} encoder; install PyAV from its wheel (pip install av)"
        )
    height, width = frames.shape[1:3]
    with av.open(str(path), "w", options={"fflags": "+bitexact"}) as container:
        stream: Any = container.add_stream(name, rate=Fraction(fps).limit_denominator(1000), options=options)
        stream.width, stream.height, stream.pix_fmt = width, height, pixel_format
        for array in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(array, format="rgb24")))
        container.mux(stream.encode())


def _reduced(frame: np.ndarray, max_pixels: int | None) -> np.ndarray:
    height, width = frame.shape[:2]
    if max_pixels is None or height * width <= max_pixels:
        return frame
    scale = math.sqrt(max_pixels / (height * width))
    size = (max(1, int(width * scale)), max(1, int(height * scale)))
    return cv2.resize(frame, size, interpolation=cv2.INTER_AREA)
