"""Which frames are shown: evenly spaced ones, those on screen at a rate, exactly these."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from storage.sampling import AtRate, EveryFrame, Exactly, Uniform, uniform_indices


@given(st.integers(1, 5000), st.integers(1, 600))
def test_uniform_indices_are_increasing_and_evenly_spaced(num_file_frames: int, num_frames: int) -> None:
    found = uniform_indices(num_file_frames, num_frames)
    assert found.dtype == np.int64
    assert len(found) == min(num_frames, num_file_frames)
    assert found[0] == 0
    if len(found) > 1:
        assert found[-1] == num_file_frames - 1
        steps = np.diff(found)
        assert steps.min() >= 1
        assert steps.max() - steps.min() <= 1
        ideal = np.arange(len(found)) * (num_file_frames - 1) / (len(found) - 1)
        assert np.abs(found - ideal).max() <= 0.5


@pytest.mark.parametrize(
    ("num_file_frames", "num_frames", "expected"),
    [
        (9, 5, [0, 2, 4, 6, 8]),
        (16, 4, [0, 5, 10, 15]),
        (3, 8, [0, 1, 2]),
        (1, 8, [0]),
        (100, 1, [0]),
        (100, 2, [0, 99]),
    ],
)
def test_uniform_indices_by_hand(num_file_frames: int, num_frames: int, expected: list[int]) -> None:
    assert uniform_indices(num_file_frames, num_frames).tolist() == expected


@pytest.mark.parametrize(
    ("times", "frames_per_second", "num_frames", "expected"),
    [
        (np.arange(150) / 30, 2.0, 16, [0, 15, 30, 45, 60, 75, 90, 105, 120, 135]),  # five seconds: ten frames
        (np.arange(150) / 30, 2.0, 4, [0, 45, 90, 135]),  # of those ten, four evenly spaced
        (np.arange(6) / 2, 4.0, 16, [0, 1, 2, 3, 4, 5]),  # slower than asked for: each frame once
        (100 + np.arange(31) / 10, 1.0, 16, [0, 10, 20, 30]),  # from the first frame on, wherever the clock begins
        (
            np.array([0, 0.25, 0.5, 2.5, 2.75, 7.5]),
            1.0,
            16,
            [0, 2, 4],
        ),  # uneven: on screen at 0, at 1 and 2, from 3 to 7
        (np.array([3.0]), 1.0, 16, [0]),
        (np.arange(90000) / 25, 0.01, 64, list(range(0, 90000, 2500))),  # an hour, a frame every 100 seconds
    ],
)
def test_a_rate_by_hand(times: np.ndarray, frames_per_second: float, num_frames: int, expected: list[int]) -> None:
    assert AtRate(frames_per_second, num_frames)(times).tolist() == expected


@given(
    st.lists(st.floats(0.01, 9.0), min_size=1, max_size=60), st.floats(0.05, 20.0), st.integers(1, 40), st.floats(-5, 5)
)
def test_a_rate_gives_ascending_positions_and_never_more_than_asked_for(
    gaps: list[float], frames_per_second: float, num_frames: int, start: float
) -> None:
    times = start + np.cumsum(gaps)
    found = AtRate(frames_per_second, num_frames)(times)
    assert 1 <= len(found) <= num_frames
    assert found[0] == 0
    assert (np.diff(found) > 0).all()
    assert found[-1] < len(times)


def test_exactly_these_where_the_file_has_them_and_all() -> None:
    times = np.arange(5) / 4
    assert Exactly((1, 4, 5, 9))(times).tolist() == [1, 4]
    assert EveryFrame()(times).tolist() == [0, 1, 2, 3, 4]
    assert Uniform(3)(times).tolist() == [0, 2, 4]
