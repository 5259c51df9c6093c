"""Altered videos: lossless, named by their content, written once."""

from __future__ import annotations

import shutil

import numpy as np

from storage import layout
from storage.digest import sha256_file
from storage.encode import write_video
from storage.files import Files


def store_video(files: Files, frames: np.ndarray, fps: float) -> tuple[str, str]:
    """Stores uint8 `[T, H, W, 3]` frames as FFV1; returns the path in the run and the file's SHA-256.

    Equal frames give equal bytes and so one file. Raises VideoError if this FFmpeg build cannot write FFV1.
    """
    folder = files.scratch()
    try:
        path = folder / "video.avi"
        write_video(path, frames, fps, "ffv1")
        sha256 = sha256_file(path)
        files.create(layout.video_file(sha256), path.read_bytes())
    finally:
        shutil.rmtree(folder)
    return layout.video_file(sha256), sha256
