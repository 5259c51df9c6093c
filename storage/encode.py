"""Encode frames. Two codecs are written: `h264` (small, lossy, 4:2:0; the embedded data set) and `ffv1` (lossless RGB;
noise keeps exactly the sigma that was asked for, see ENVIRONMENT.md)."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any, Literal

import av
import numpy as np

from storage.errors import VideoError

Codec = Literal["h264", "ffv1"]

# x264 with mbtree gave other bytes for the same frames about once in 1,000 encodes on an overloaded machine.
_ENCODERS: dict[str, tuple[str, str, dict[str, str]]] = {
    "h264": ("libx264", "yuv420p", {"crf": "18", "preset": "veryfast", "threads": "1", "x264-params": "mbtree=0"}),
    "ffv1": ("ffv1", "bgr0", {"threads": "1"}),
}


def codec_available(codec: Codec) -> bool:
    """Whether this build of FFmpeg can encode `codec`."""
    return _ENCODERS[codec][0] in av.codecs_available


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
