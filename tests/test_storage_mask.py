"""Black frames and borders: exactly the frames that are named, and the input stays as it is."""

import numpy as np
import pytest

from storage.mark import COLOUR, mark_frames
from storage.mask import mask_frames

FRAMES = np.random.default_rng(0).integers(1, 255, (4, 5, 7, 3), dtype=np.uint8)


def test_masked_frames_are_zero_and_the_others_as_they_were():
    masked = mask_frames(FRAMES, np.array([0, 3]))
    assert [bool(frame.any()) for frame in masked] == [False, True, True, False]
    assert np.array_equal(masked[1:3], FRAMES[1:3])
    assert FRAMES[0].all()


def test_a_border_of_one_pixel_by_hand():
    marked = mark_frames(FRAMES, np.array([2]))
    inside = np.zeros((5, 7), bool)
    inside[1:-1, 1:-1] = True
    assert np.array_equal(marked[2][inside], FRAMES[2][inside])
    assert (marked[2][~inside] == COLOUR).all()
    assert np.array_equal(np.delete(marked, 2, axis=0), np.delete(FRAMES, 2, axis=0))


@pytest.mark.parametrize(("height", "width", "border"), [(112, 112, 7), (252, 448, 16), (33, 200, 2)])
def test_a_border_is_a_sixteenth_of_the_shorter_side(height, width, border):
    marked = mark_frames(np.zeros((1, height, width, 3), np.uint8), np.array([0]))[0]
    coloured = marked.any(axis=2)
    assert coloured[:border].all()
    assert coloured[:, -border:].all()
    assert coloured.sum() == height * width - (height - 2 * border) * (width - 2 * border)


@pytest.mark.parametrize("alter", [mask_frames, mark_frames])
def test_no_position_changes_nothing_and_gives_a_copy(alter):
    same = alter(FRAMES, np.zeros(0, np.int64))
    assert np.array_equal(same, FRAMES)
    assert not np.shares_memory(same, FRAMES)


def test_the_smallest_frames_can_be_marked():
    assert (mark_frames(FRAMES[:, :1, :1], np.array([0, 1, 2, 3])) == COLOUR).all()
