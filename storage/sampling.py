"""Which frames of a video are shown: functions of the frames' times, so that an uneven rate is sampled right."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

import numpy as np


class Choice(ABC):
    """From the times of all frames, float64 [N] ascending, in seconds, to the chosen positions, int64 ascending.

    A choice is a value: equal ones have an equal `repr`, others another one; cached frames are found by it.
    """

    @abstractmethod
    def __call__(self, times: np.ndarray) -> np.ndarray:
        """The positions of the frames that are chosen."""


@dataclass(frozen=True, slots=True)
class EveryFrame(Choice):
    """Chooses all frames."""

    def __call__(self, times: np.ndarray) -> np.ndarray:
        """All positions."""
        return np.arange(len(times))


@dataclass(frozen=True, slots=True)
class Uniform(Choice):
    """Chooses `num_frames` evenly spaced frames, all if the file has fewer."""

    num_frames: int

    def __call__(self, times: np.ndarray) -> np.ndarray:
        """Evenly spaced positions."""
        return uniform_indices(len(times), self.num_frames)


@dataclass(frozen=True, slots=True)
class Exactly(Choice):
    """Chooses these positions, ascending; those that the file does not have are left out."""

    positions: tuple[int, ...]

    def __call__(self, times: np.ndarray) -> np.ndarray:
        """The positions that there are."""
        positions = np.array(self.positions, np.int64)
        return positions[positions < len(times)]


@dataclass(frozen=True, slots=True)
class AtRate(Choice):
    """Chooses the frame on screen at every 1 / `frames_per_second` seconds from the first on, each frame once.

    Of more than `num_frames` such frames, `num_frames` evenly spaced ones.
    """

    frames_per_second: float
    num_frames: int

    def __call__(self, times: np.ndarray) -> np.ndarray:
        """The positions of the frames that the ticks find on screen."""
        rate = self.frames_per_second
        ticks = times[0] + np.arange(int((times[-1] - times[0]) * rate + 1e-6) + 1) / rate
        on_screen: np.ndarray = np.unique(np.searchsorted(times, ticks + 1e-6, side="right") - 1)
        chosen: np.ndarray = on_screen[uniform_indices(len(on_screen), self.num_frames)]
        return chosen


def uniform_indices(num_file_frames: int, num_frames: int) -> np.ndarray:
    """int64 [min(num_frames, num_file_frames)]: evenly spaced frame positions, first and last included."""
    count = min(num_frames, num_file_frames)
    return np.linspace(0, num_file_frames - 1, count).round().astype(np.int64)
