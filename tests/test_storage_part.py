"""A part of a video is shown as a file of its own would be: its frames, their places, their number, their file."""

from pathlib import Path

import numpy as np
import pytest
from video_files import KINDS, UNTOLD, decode_all, make_video

from storage import decode
from storage.altered import store_altered
from storage.encode import write_video
from storage.errors import VideoError
from storage.files import Files
from storage.frame_cache import FrameCache
from storage.frames import read_shown
from storage.part import frames_of
from storage.records import Alteration, Media
from storage.sampling import AtRate, Exactly, Uniform
from storage.video import read_video

TIMES = np.array([5.0, 5.5, 6.0, 8.0, 8.5])
"""0, 0.5, 1, 3 and 3.5 seconds from the first: the third is on screen for two."""


@pytest.mark.parametrize(
    ("part", "positions"),
    [
        (None, [0, 1, 2, 3, 4]),
        ((0.0, 100.0), [0, 1, 2, 3, 4]),
        ((0.0, 0.4), [0]),
        ((0.0, 0.5), [0, 1]),  # the end is a part of it
        ((0.5, 1.0), [1, 2]),
        ((0.6, 0.9), [1]),  # on screen all the time
        ((1.5, 2.5), [2]),
        ((2.0, 3.2), [2, 3]),
        ((3.9, 9.0), [4]),  # lasts until 4.0, at two frames a second
    ],
)
def test_its_frames_are_those_on_screen_during_it(part, positions):
    assert list(range(5))[frames_of(TIMES, part, 2.0, Path("x"))] == positions


@pytest.mark.parametrize("start", [4.0, 4.5, 100.0])
def test_one_that_begins_after_the_end_is_an_error(start):
    with pytest.raises(
        VideoError, match=rf"x: lasts 4\.00 s, so its part from {start:g} s on is empty; mend start and"
    ):
        frames_of(TIMES, (start, start + 1), 2.0, Path("x"))


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_it_is_cut_from_the_full_decode_whether_sought_or_not(tmp_path, kind, monkeypatch):
    if kind not in UNTOLD:
        monkeypatch.setattr(decode, "_decode_through", lambda *_: pytest.fail("decoded through"))
    path = make_video(tmp_path, kind)
    frames, times = decode_all(path)
    ascending = np.maximum.accumulate(times)  # AVI gives B-frames the times of others
    since = ascending - times[0]
    until = np.append(since[1:], since[-1] + 0.1)
    for part in [(0.0, 0.75), (1.25, 2.55), (3.31, 3.32), (4.85, 60.0)]:
        inside = np.flatnonzero((until > part[0] + 1e-6) & (since <= part[1] + 1e-6))
        for choose in (Uniform(4), Uniform(99), AtRate(5.0, 99), Exactly((0, 2, 5))):
            video = read_video(path, choose=choose, part=part)
            assert video.num_file_frames == len(inside)
            assert video.indices.tolist() == choose(ascending[inside]).tolist()
            assert np.array_equal(video.frames, frames[inside][video.indices])
            assert video.times.tolist() == np.array(times)[inside][video.indices].tolist()
    with pytest.raises(VideoError, match=r"lasts 6\.00 s"):
        read_video(path, 4, part=(6.0, 7.0))


def clip(path: Path, frames: np.ndarray) -> Path:
    write_video(path, frames, 4, "ffv1")
    return path


@pytest.fixture
def pixels():
    return np.random.default_rng(0).integers(0, 256, (24, 20, 24, 3), dtype=np.uint8)


def test_what_is_said_of_it_is_what_is_said_of_a_file_that_was_cut_out(tmp_path, pixels):
    part = read_video(clip(tmp_path / "x.avi", pixels), 5, part=(1.0, 2.75))
    alone = read_video(clip(tmp_path / "y.avi", pixels[4:12]), 5)
    assert np.array_equal(part.frames, alone.frames)
    assert part.metadata() == alone.metadata()
    assert part.metadata()["duration"] == 2.0
    assert (part.times - part.times[0]).tolist() == alone.times.tolist()


def test_parts_of_a_file_are_cached_apart(tmp_path, pixels):
    path, cache = clip(tmp_path / "x.avi", pixels), FrameCache(tmp_path / "frames", 2**24)
    for _ in range(2):
        for start in (0.0, 1.0, 3.0, None):
            media = Media(str(path), part_start=start, part_end=None if start is None else start + 2)
            shown = read_shown(media, Path, Uniform(4), 10_000, Alteration(), cache=cache).video
            first = 0 if start is None else int(4 * start)
            last = 23 if start is None else first + 8
            assert np.array_equal(shown.frames, pixels[np.linspace(first, last, 4).round().astype(int)])
    assert len({entry.stat().st_ino for entry in (tmp_path / "frames").iterdir()}) == 4


def test_its_altered_file_is_the_part_and_is_read_whole(tmp_path, pixels):
    path, files = clip(tmp_path / "x.avi", pixels), Files(tmp_path / "run")
    media = Media(str(path), part_start=1.0, part_end=2.75)
    shown = read_shown(media, Path, Uniform(4), 10_000, Alteration())
    masked = Alteration(masked_frames=np.array([1]))
    stored = store_altered(files, media, shown, masked)
    assert (stored.part, media.part) == (None, (1.0, 2.75))
    again = read_shown(stored, files.local, Uniform(4), 10_000, masked).video
    assert np.array_equal(again.frames, shown.video.frames)
    assert again.metadata()["duration"] == pytest.approx(2.0)
