"""A picture's largest size."""

from __future__ import annotations

import math

import cv2
import numpy as np


def reduced(picture: np.ndarray, max_pixels: int | None) -> np.ndarray:
    """uint8 `[H, W, C]`: `picture` as it is, or with at most `max_pixels` pixels, sides in proportion."""
    height, width = picture.shape[:2]
    if max_pixels is None or height * width <= max_pixels:
        return picture
    scale = math.sqrt(max_pixels / (height * width))
    size = (max(1, int(width * scale)), max(1, int(height * scale)))
    return cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
