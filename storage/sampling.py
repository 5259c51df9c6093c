"""Which frames of a video are shown: functions of the frames' times, so that an uneven rate is sampled right."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

Choice = Callable[[np.ndarray], np.ndarray]
"""From the times of all frames, float64 [N] ascending, in seconds, to the chosen positions, int64 ascending."""


def every_frame(times: np.ndarray) -> np.ndarray:
    """All positions."""
    return np.arange(len(times))


def uniform_indices(num_file_frames: int, num_frames: int) -> np.ndarray:
    """int64 [min(num_frames, num_file_frames)]: evenly spaced frame positions, first and last included."""
    count = min(num_frames, num_file_frames)
    return np.linspace(0, num_file_frames - 1, count).round().astype(np.int64)


def uniform(num_frames: int) -> Choice:
    """Chooses `num_frames` evenly spaced frames, all if the file has fewer."""
    return lambda times: uniform_indices(len(times), num_frames)


def exactly(positions: np.ndarray) -> Choice:
    """Chooses these positions; those that the file does not have are left out."""
    return lambda times: positions[positions < len(times)]


def at_rate(frames_per_second: float, num_frames: int) -> Choice:
    """Chooses the frame on screen at every 1 / `frames_per_second` seconds from the first on, each frame once.

    Of more than `num_frames` such frames, `num_frames` evenly spaced ones.
    """

    def choose(times: np.ndarray) -> np.ndarray:
        ticks = times[0] + np.arange(int((times[-1] - times[0]) * frames_per_second + 1e-6) + 1) / frames_per_second
        on_screen: np.ndarray = np.unique(np.searchsorted(times, ticks + 1e-6, side="right") - 1)
        chosen: np.ndarray = on_screen[uniform_indices(len(on_screen), num_frames)]
        return chosen

    return choose
