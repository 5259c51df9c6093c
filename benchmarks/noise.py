"""Seconds to put Gaussian noise on a video: `storage.noise.add_noise` against numpy frame by frame, alternating.

python benchmarks/noise.py [--quick] [--json FILE]     prints medians; encoding the result is a figure of its own.
"""

from __future__ import annotations

import argparse
import json
import platform
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from storage.encode import write_video
from storage.noise import add_noise


def numpy_noise(frames: np.ndarray, sigma: float, seed: int) -> np.ndarray:
    """The plain way: one normal array a frame, added, rounded, clipped."""
    rng = np.random.default_rng(seed)
    noisy = [np.clip(np.rint(frame + rng.normal(0.0, sigma, frame.shape)), 0, 255).astype(np.uint8) for frame in frames]
    return np.stack(noisy)


def seconds(work: Callable[[], object]) -> float:
    """Wall-clock seconds of one call."""
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def measure(num_frames: int, side: int, repeats: int) -> dict[str, float | int]:
    """Medians over `repeats` alternating calls."""
    frames = np.random.default_rng(0).integers(0, 256, (num_frames, side, side, 3), dtype=np.uint8)
    ours, theirs, encoding = [], [], []
    with tempfile.TemporaryDirectory() as folder:
        for seed in range(repeats):
            ours.append(seconds(lambda seed=seed: add_noise(frames, 25.0, seed)))
            theirs.append(seconds(lambda seed=seed: numpy_noise(frames, 25.0, seed)))
            encoding.append(seconds(lambda: write_video(Path(folder) / "noisy.avi", frames, 4.0, "ffv1")))
    row = {"num_frames": num_frames, "side": side, "seconds": statistics.median(ours)}
    row |= {"numpy_seconds": statistics.median(theirs), "encode_seconds": statistics.median(encoding)}
    return row | {"speedup_over_numpy": statistics.median(t / o for t, o in zip(theirs, ours, strict=True))}


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="few repeats")
    parser.add_argument("--json", type=Path, help="write {machine, rows} to this file")
    arguments = parser.parse_args()
    rows = [measure(frames, side, 5 if arguments.quick else 25) for frames, side in ((8, 84), (16, 252), (16, 480))]
    for row in rows:
        print("  ".join(f"{name} {value:.4g}" for name, value in row.items()))
    if arguments.json:
        arguments.json.write_text(json.dumps({"machine": platform.platform(), "rows": rows}, indent=1))


if __name__ == "__main__":
    main()
