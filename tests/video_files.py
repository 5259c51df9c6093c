"""Video files of every kind for tests: codecs, key-frame distances, uneven times."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np

KINDS = {
    "h264": ("x.mp4", "libx264", "yuv420p", {"g": "12", "bf": "3"}),
    "h264_short_gop": ("x.mp4", "libx264", "yuv420p", {"g": "4", "bf": "3", "b-pyramid": "normal"}),
    "h264_open_gop": ("x.mkv", "libx264", "yuv420p", {"g": "12", "bf": "3", "x264-params": "open-gop=1"}),
    "hevc_open_gop": ("x.mp4", "libx265", "yuv420p", {"x265-params": "keyint=12:bframes=3:open-gop=1:log-level=none"}),
    "vp9": ("x.webm", "libvpx-vp9", "yuv420p", {"g": "12", "lag-in-frames": "8", "cpu-used": "8"}),
    "ffv1": ("x.mkv", "ffv1", "bgr0", {"g": "12"}),
    "mpeg4": ("x.mp4", "mpeg4", "yuv420p", {"g": "12", "bf": "2"}),
    "mjpeg": ("x.avi", "mjpeg", "yuvj420p", {}),
    "h264_stream": ("x.ts", "libx264", "yuv420p", {"g": "12", "bf": "3"}),
    "h264_untold": ("x.avi", "libx264", "yuv420p", {"g": "12", "bf": "3"}),
    "vp8": ("x.webm", "libvpx", "yuv420p", {"g": "12", "auto-alt-ref": "1", "lag-in-frames": "8"}),
}
"""File name, encoder, pixel format, options. AVI tells no times of B-frames, VP8 has frames that are never shown."""
UNTOLD = {"h264_untold", "vp8"}
"""Kinds whose packets do not tell their frames."""


def make_video(
    folder: Path, kind: str, num_frames: int = 60, size: tuple[int, int] = (48, 64), times: list[int] | None = None
) -> Path:
    """Writes frames of `size` (height, width) that move and differ; `times` in tenths of a second, else 10 a second."""
    name, encoder, pixel_format, options = KINDS[kind]
    path, (height, width) = folder / name, size
    picture = np.random.default_rng(0).integers(0, 256, (height // 8 + 8, width // 8 + 8, 3), dtype=np.uint8)
    picture = picture.repeat(8, axis=0).repeat(8, axis=1)
    with av.open(str(path), "w") as container:
        stream = container.add_stream(encoder, rate=10, options=options)
        stream.width, stream.height, stream.pix_fmt, stream.time_base = width, height, pixel_format, Fraction(1, 10)
        for i in range(num_frames):
            shown = picture[i % 61 : i % 61 + height, i % 53 : i % 53 + width].copy()
            shown[: height // 4] = i % 256
            frame = av.VideoFrame.from_ndarray(shown, format="rgb24")
            frame.pts, frame.time_base = (i if times is None else times[i]), Fraction(1, 10)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def decode_all(path: Path) -> tuple[np.ndarray, list[float]]:
    """Every frame by PyAV alone, uint8 [T, H, W, 3], and their times in seconds."""
    with av.open(str(path)) as container:
        found = [(frame.to_ndarray(format="rgb24"), frame.time) for frame in container.decode(video=0)]
    return np.stack([frame for frame, _ in found]), [time for _, time in found]
