"""Decode, encode and sample frames: a video in memory is uint8 `[T, H, W, C]` (RGB) with its real timestamps.

Two codecs are written: `h264` (small, lossy, 4:2:0; the embedded data set) and `ffv1` (lossless RGB; noise keeps
exactly the sigma that was asked for, see ENVIRONMENT.md). Reading goes through PyAV for every container.
"""

from __future__ import annotations

import math
import re
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

# x264 with mbtree gave other bytes for the same frames about once in 1,000 encodes on an overloaded machine.
_ENCODERS: dict[str, tuple[str, str, dict[str, str]]] = {
    "h264": ("libx264", "yuv420p", {"crf": "18", "preset": "veryfast", "threads": "1", "x264-params": "mbtree=0"}),
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

    Frames are turned upright where the file says so; transparency is left out. Frames of more than `max_pixels` are
    reduced to that many, sides in proportion.
    Raises VideoError if the file is missing, is no video, has no frame, or ends before its header says.
    """
    path = Path(path)
    if not path.is_file():
        raise VideoError(f"{path}: no such video file")
    try:
        decoded, rate = _decode(path)
    except (av.error.FFmpegError, OSError) as error:
        raise VideoError(f"{path}: cannot be decoded ({error})") from error
    total = len(decoded)
    indices = uniform_indices(total, num_frames) if num_frames is not None else np.arange(total)
    frames = np.stack([_reduced(_upright(decoded[i]), max_pixels) for i in indices])
    times = np.array(
        [decoded[i].time if decoded[i].time is not None else float(i / float(rate)) for i in indices], dtype=np.float64
    )
    return Video(frames, times, indices.astype(np.int64), total, float(rate))


def write_video(path: str | Path, frames: np.ndarray, fps: float, codec: Codec) -> None:
    """Encodes uint8 `[T, H, W, 3]` RGB `frames` to `path`; the same frames give the same bytes.

    Raises VideoError for no frame, no frame rate, sides that the codec cannot hold (h264: even ones), or if this build
    lacks the encoder.
    """
    name, pixel_format, options = _ENCODERS[codec]
    if not codec_available(codec):
        raise VideoError(
            f"{path}: this FFmpeg build has no {name} encoder; install PyAV from its wheel (pip install av)"
        )
    height, width = frames.shape[1:3]
    if len(frames) == 0 or not fps > 0:
        raise VideoError(
            f"{path}: {len(frames)} frames at {fps} frames per second; give at least one and a rate above 0"
        )
    if codec == "h264" and (height % 2 or width % 2):
        raise VideoError(
            f"{path}: h264 in 4:2:0 needs even sides, not {width} x {height}; crop the frames, or use ffv1"
        )
    with av.open(str(path), "w", options={"fflags": "+bitexact"}) as container:
        stream: Any = container.add_stream(name, rate=Fraction(fps).limit_denominator(1_000_000), options=options)
        stream.width, stream.height, stream.pix_fmt = width, height, pixel_format
        for array in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(array, format="rgb24")))
        container.mux(stream.encode())


def _decode(path: Path) -> tuple[list[Any], Fraction]:
    """Every frame of the file and its average rate; VideoError for a file that is no video or was cut short."""
    with av.open(str(path)) as container:
        if not container.streams.video:
            raise VideoError(f"{path}: holds no video stream")
        stream = container.streams.video[0]
        stream.thread_type = "AUTO"
        decoded: list[Any] = []
        is_corrupt = False
        for packet in container.demux(stream):
            is_corrupt |= packet.is_corrupt
            decoded += packet.decode()
        if not decoded:
            raise VideoError(f"{path}: holds no frame")
        if is_corrupt:
            raise VideoError(
                f"{path}: truncated or damaged, a frame's data is incomplete ({len(decoded)} frames decode)"
            )
        if len(decoded) < stream.frames and _num_stored_packets(path) < stream.frames:
            raise VideoError(f"{path}: truncated, {len(decoded)} of {stream.frames} frames decode")
        rate = stream.average_rate or Fraction(1)
        declared_end, last = _declared_end(container, stream), decoded[-1]
        if stream.frames == 0 and declared_end is not None and last.time is not None:
            end = last.time + float(last.duration * last.time_base if last.duration else 1 / rate)
            if end < declared_end - 0.5 / float(rate):
                raise VideoError(f"{path}: truncated, ends at {end:.2f} of {declared_end:.2f} seconds")
    return decoded, rate


def _num_stored_packets(path: Path) -> int:
    """Packets in the file, those too that an edit list hides: a clip cut without encoding again declares them all."""
    with av.open(str(path), options={"ignore_editlist": "1"}) as container:
        return sum(packet.size > 0 for packet in container.demux(container.streams.video[0]))


def _declared_end(container: Any, stream: Any) -> float | None:
    """Where a Matroska header, which counts no frames, says that the stream ends: seconds."""
    tag = re.fullmatch(r"(\d+):(\d+):(\d+(?:\.\d+)?)", stream.metadata.get("DURATION", ""))
    if tag:
        return int(tag[1]) * 3600 + int(tag[2]) * 60 + float(tag[3])
    return container.duration / av.time_base if container.duration and len(container.streams) == 1 else None


def _upright(frame: Any) -> np.ndarray:
    """A decoded frame's RGB, turned as its display matrix says: counter-clockwise, in quarter turns."""
    return np.ascontiguousarray(np.rot90(frame.to_ndarray(format="rgb24"), round(frame.rotation / 90)))


def _reduced(frame: np.ndarray, max_pixels: int | None) -> np.ndarray:
    height, width = frame.shape[:2]
    if max_pixels is None or height * width <= max_pixels:
        return frame
    scale = math.sqrt(max_pixels / (height * width))
    size = (max(1, int(width * scale)), max(1, int(height * scale)))
    return cv2.resize(frame, size, interpolation=cv2.INTER_AREA)
