"""Gaussian pixel noise for easy samples: the difficulty-increasing augmentation (METHOD.md, section 5).

arXiv:2506.07464 adds Gaussian noise to every frame and gives no sigma; here sigma is in units of 0..255. Adding,
rounding and saturating happen on decoded frames; only a lossless codec keeps the result (ENVIRONMENT.md).
"""

from __future__ import annotations

import hashlib
from concurrent.futures import ThreadPoolExecutor

import cv2
import numpy as np

_BLOCK = 2**19
"""Values that share a seed: noised side by side, so the bytes do not depend on how many threads there are."""
_THROWN_AWAY = 48
"""The first draws after seeding are a scaled copy of the seed, always near 0."""


def noise_seed(seed: int, round_index: int, sample_id: str) -> int:
    """A seed in 0..2^31-1 that depends on all three and on nothing else; the same on every machine and run."""
    digest = hashlib.sha256(f"{seed}/{round_index}/{sample_id}".encode()).digest()
    return int.from_bytes(digest[:4], "big") & 0x7FFFFFFF


def add_noise(frames: np.ndarray, sigma: float, seed: int) -> np.ndarray:
    """uint8 `[T, H, W, 3]`: a copy of `frames` with independent noise of standard deviation `sigma` on every value.

    sigma: 0..255; 0 returns an equal copy. Rounding adds 1/12 to the variance (sigma 0.5 or more; it swallows less
        noise than that), saturation takes some away.
    seed: 0..2^31-1; equal arguments give equal bytes with the same OpenCV version, and more frames the same first ones.

    Reseeds OpenCV's generator, which is a thread's own state: whoever draws from `cv2.randu` or `cv2.randn` in the
    calling thread afterwards must seed it again. Beside the result, holds 2 MiB of noise a core.

    Raises ValueError for frames of another type or shape, and for a sigma or seed out of range.
    """
    _check(frames)
    if not 0.0 <= sigma <= 255.0:
        raise ValueError(f"noise sigma {sigma} is outside 0..255; give a standard deviation in pixel units")
    if not 0 <= seed < 2**31:
        raise ValueError(f"noise seed {seed} is outside 0..2^31-1, which is what OpenCV takes; use noise_seed()")
    if sigma == 0.0:
        return frames.copy()
    clean = frames.reshape(1, -1)  # as one channel, which is quicker
    noisy = np.empty_like(clean)
    blocks = [slice(start, start + _BLOCK) for start in range(0, clean.size, _BLOCK)]
    seeds = np.random.SeedSequence(seed).generate_state(len(blocks)) >> 1  # OpenCV takes 31 bits

    def add(block: slice, block_seed: int) -> None:
        draws = np.empty((1, _THROWN_AWAY + clean[:, block].size), np.float32)
        cv2.setRNGSeed(int(block_seed))
        cv2.randn(draws, np.zeros(1), np.full(1, sigma))
        cv2.add(clean[:, block], draws[:, _THROWN_AWAY:], dst=noisy[:, block], dtype=cv2.CV_8U)  # rounds, saturates

    if len(blocks) == 1:  # starting threads would take longer than the work
        add(blocks[0], seeds[0])
    else:
        with ThreadPoolExecutor() as pool:
            list(pool.map(add, blocks, seeds))
    return noisy.reshape(frames.shape)


def realised_sigma(clean: np.ndarray, noisy: np.ndarray) -> float:
    """The standard deviation of `noisy - clean`, in units of 0..255, where saturation did not shrink it.

    Values are selected by their *clean* value alone; leaving out those whose noisy value is 0 or 255 would cut off the
    tails of the noise. Selected is margin >= m, where margin = min(clean, 255 - clean) and m is the smallest
    threshold of at least four times the standard deviation that it gives. If none is (sigma above 31, or only dark
    and bright frames), the largest margins are taken that make up one value in a hundred, and saturation shows: on
    mid-grey the result is 1 percent low at sigma 50, and 18 percent at sigma 100.

    Both arrays are uint8 `[T, H, W, 3]`. Raises ValueError for other types, unequal shapes, or no values at all.
    """
    _check(clean)
    _check(noisy)
    if clean.shape != noisy.shape or clean.size == 0:
        raise ValueError(f"cannot compare frames of shape {clean.shape} and {noisy.shape}; give the same, not empty")
    moments = np.zeros((3, 128))  # of the differences at each margin 0..127: count, sum, sum of squares
    for before, after in zip(clean, noisy, strict=True):
        margin = np.minimum(before, 255 - before).ravel()
        difference = after.ravel().astype(np.float64) - before.ravel()
        for power in range(3):
            moments[power] += np.bincount(margin, weights=difference**power, minlength=128)
    count, first, second = moments[:, ::-1].cumsum(axis=1)[:, ::-1]  # at this margin or a larger one
    enough = count >= 0.01 * clean.size
    std = np.sqrt(np.maximum(second[enough] / count[enough] - (first[enough] / count[enough]) ** 2, 0.0))
    clear = np.flatnonzero(np.arange(len(std)) >= 4.0 * std)
    return float(std[clear[0]] if len(clear) else std[-1])


def _check(frames: np.ndarray) -> None:
    if frames.dtype != np.uint8 or frames.ndim != 4 or frames.shape[3] != 3:
        raise ValueError(f"frames are {frames.dtype} {list(frames.shape)}; give uint8 [T, H, W, 3]")
