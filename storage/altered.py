"""Altered videos and images: lossless, named by their content, written once."""

from __future__ import annotations

import dataclasses
import shutil

import numpy as np

from storage import layout
from storage.digest import sha256_bytes, sha256_file
from storage.encode import write_video
from storage.files import Files
from storage.frames import Shown
from storage.image import png_bytes
from storage.records import Alteration, Media


def store_altered(files: Files, media: Media, shown: Shown, alteration: Alteration) -> Media:
    """Stores `shown`, which was read from `media` and then altered; returns the files that show it.

    The video's file holds what is shown, of a part that part alone. An image is stored if it has noise, which is all
    that can be done to one.
    """
    video, image = shown.video, shown.image
    if video is not None:
        rate = video.fps * len(video.frames) / video.num_file_frames
        path, sha256 = store_video(files, video.frames, rate)
        media = dataclasses.replace(media, video_path=path, video_sha256=sha256, part_start=None, part_end=None)
    if image is not None and alteration.noise_sigma is not None:
        path, sha256 = store_image(files, image)
        media = dataclasses.replace(media, image_path=path, image_sha256=sha256)
    return media


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


def store_image(files: Files, image: np.ndarray) -> tuple[str, str]:
    """Stores a uint8 `[H, W, 3]` image as PNG; returns the path in the run and the file's SHA-256."""
    data = png_bytes(image)
    sha256 = sha256_bytes(data)
    files.create(layout.image_file(sha256), data)
    return layout.image_file(sha256), sha256
