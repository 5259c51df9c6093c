"""What a model is shown: read by one function, for the engine, the trainer and whoever looks at it."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from storage.container import TIMEOUT_SECONDS
from storage.content import content_sha256
from storage.digest import derive_seed
from storage.errors import ImageError, VideoError
from storage.frame_cache import FrameCache
from storage.image import read_image
from storage.mark import mark_frames
from storage.mask import mask_frames
from storage.noise import add_noise
from storage.records import Alteration, Media
from storage.sampling import Choice, EveryFrame
from storage.video import Video, pixel_limits, read_video


@dataclass(frozen=True, slots=True, eq=False)
class Shown:
    """The frames of a video, an image, or both. image: uint8 [H, W, 3], RGB."""

    video: Video | None = None
    image: np.ndarray | None = None

    @property
    def pixels(self) -> np.ndarray:
        """uint8 [1, 1, N, 3]: every pixel, the video's first."""
        parts = [] if self.video is None else [self.video.frames]
        parts += [] if self.image is None else [self.image]
        return np.concatenate([part.reshape(1, 1, -1, 3) for part in parts], axis=2)

    def processor_inputs(self, min_pixels: int, max_pixels: int) -> dict[str, Any]:
        """What the processors of transformers take for it, beside the text; limits are pixels of a frame or image."""
        inputs: dict[str, Any] = {}
        size = pixel_limits(min_pixels, max_pixels)
        if self.video is not None:
            video = {"video_metadata": [self.video.metadata()], "size": size}
            inputs |= {"videos": [self.video.frames], "videos_kwargs": video}
        if self.image is not None:
            inputs |= {"images": [Image.fromarray(self.image)], "images_kwargs": {"size": size}}
        return inputs


def read_shown(
    media: Media,
    locate: Callable[[str], Path],
    choose: Choice,
    max_pixels: int,
    alteration: Alteration,
    *,
    timeout_seconds: float = TIMEOUT_SECONDS,
    cache: FrameCache | None = None,
) -> Shown:
    """What the files that a record names show, altered where the record says that this is left to the reader.

    `locate` turns a stored path into a local one. A file that holds altered frames holds those that were chosen, and is
    read whole. The pixels are the same bytes either way, with the same OpenCV; so they are from `cache`, which holds
    frames before anything is done to them. Raises VideoError or ImageError for a file that cannot be used, or whose
    bytes are not those of its digest.
    """
    video = image = None
    if media.video_path is not None:
        path = locate(media.video_path)
        choose = EveryFrame() if alteration.is_in_file else choose
        video = _read_frames(path, media, choose, max_pixels, timeout_seconds, cache)
    if media.image_path is not None:
        path = locate(media.image_path)
        image = read_image(path, max_pixels)
        if media.image_sha256 not in (None, content_sha256(path)):
            raise ImageError(f"{path}: its bytes changed since the run began")
    shown = Shown(video, image)
    return alter(shown, alteration) if alteration.altered_on_read else shown


def _read_frames(
    path: Path, media: Media, choose: Choice, max_pixels: int, timeout_seconds: float, cache: FrameCache | None
) -> Video:
    sha256, part = media.video_sha256, media.part
    found = content_sha256(path) if cache is not None and path.is_file() else None
    if cache is not None and found is not None and sha256 in (None, found):
        cached = cache.get(found, choose, max_pixels, part)
        if cached is not None:
            return cached
    video = read_video(path, max_pixels=max_pixels, choose=choose, part=part, timeout_seconds=timeout_seconds)
    if sha256 is not None and sha256 != content_sha256(path):
        raise VideoError(f"{path}: its bytes changed since the run began")
    if cache is not None and found is not None and found == content_sha256(path):  # not written to meanwhile
        cache.put(found, choose, max_pixels, video, part)
    return video


def alter(shown: Shown, alteration: Alteration) -> Shown:
    """`shown` as `alteration` says: its frames with noise, then black, then with borders; its image with noise."""
    video, image = shown.video, shown.image
    if video is not None:
        video = dataclasses.replace(video, frames=_altered(video.frames, alteration))
    if image is not None and alteration.noise_sigma is not None and alteration.noise_seed is not None:
        seed = derive_seed(alteration.noise_seed, "image")  # noise of its own, not that of the first frame
        image = add_noise(image[None], alteration.noise_sigma, seed)[0]
    return Shown(video, image)


def _altered(frames: np.ndarray, alteration: Alteration) -> np.ndarray:
    if alteration.noise_sigma is not None and alteration.noise_seed is not None:
        frames = add_noise(frames, alteration.noise_sigma, alteration.noise_seed)
    if len(alteration.masked_frames):
        frames = mask_frames(frames, alteration.masked_frames)
    if len(alteration.marked_frames):
        frames = mark_frames(frames, alteration.marked_frames)
    return frames
