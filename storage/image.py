"""Read and write images: uint8 `[H, W, 3]`, RGB, upright. Reading goes through Pillow for every format."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from storage.reduce import reduced

MAX_ASPECT = 200
"""The processors of transformers take no picture whose sides differ by more than this factor."""


class ImageError(ValueError):
    """An image that cannot be used; the message names the file and the reason."""


def read_image(path: str | Path, max_pixels: int | None = None) -> np.ndarray:
    """Decodes `path`, of an animation the first picture; one of more than `max_pixels` is reduced to that many.

    Turned as its EXIF data says. Grey becomes RGB, 16 bits become 8, transparency is left out.
    Raises ImageError if the file is missing, is no image, ends too early, or holds what has no 8-bit meaning.
    """
    path = Path(path)
    if not path.is_file():
        raise ImageError(f"{path}: no such image file")
    try:
        with Image.open(path) as opened:
            image = _rgb(ImageOps.exif_transpose(opened), path)
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        if isinstance(error, ImageError):
            raise
        raise ImageError(f"{path}: cannot be decoded ({error})") from error
    height, width = image.shape[:2]
    if max(height, width) > MAX_ASPECT * min(height, width):
        raise ImageError(f"{path}: is {width} x {height}; one side may be {MAX_ASPECT} times the other at most")
    return reduced(image, max_pixels)


def png_bytes(image: np.ndarray) -> bytes:
    """A uint8 `[H, W, 3]` RGB image as a PNG file, lossless; the same image gives the same bytes."""
    data = io.BytesIO()
    Image.fromarray(image).save(data, "PNG")
    return data.getvalue()


def _rgb(image: Image.Image, path: Path) -> np.ndarray:
    if image.mode in ("I", "F"):
        raise ImageError(f"{path}: has 32 bits a value (mode {image.mode}); give an image of 8 or 16 bits")
    if image.mode.startswith("I;16"):
        grey = (np.asarray(image) >> 8).astype(np.uint8)
        return np.repeat(grey[..., None], 3, axis=-1)
    if image.mode == "P":
        image = image.convert("RGBA")  # else Pillow warns of a transparent palette
    return np.array(image.convert("RGB"))
