"""Files that nobody vouches for: too large, too long, of several sizes, no file at all, or two hundred broken ones."""

from __future__ import annotations

import json
import random
import struct
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from video_files import make_video

from storage.encode import write_video
from storage.errors import VideoError
from storage.video import read_video


def test_a_picture_of_absurd_size_is_refused_by_the_header(tmp_path):
    path = tmp_path / "x.avi"
    write_video(path, np.zeros((3, 48, 64, 3), np.uint8), 4.0, "ffv1")
    data = path.read_bytes()
    size = data.index(b"strf") + 12
    path.write_bytes(data[:size] + struct.pack("<2i", 20_000, 20_000) + data[size + 8 :])
    with pytest.raises(VideoError, match=r"x\.avi: its frames have no size, or more than 35389440 pixels"):
        read_video(path)


def test_a_picture_that_grows_absurd_on_the_way_is_refused_before_it_is_decoded(tmp_path):
    path = make_video(tmp_path, "mjpeg", 3)
    data = path.read_bytes()
    small, huge = b"\xff\xc0\x00\x11\x08" + struct.pack(">2H", 48, 64), struct.pack(">2H", 20_000, 20_000)
    last = data.rindex(small) + 5
    path.write_bytes(data[:last] + huge + data[last + 4 :])
    assert len(read_video(path, 1).frames) == 1
    with pytest.raises(VideoError, match=r"x\.avi: cannot be decoded"):
        read_video(path)


def test_frames_of_several_sizes_are_refused(tmp_path):
    path = make_video(tmp_path, "mjpeg", 3)
    data = path.read_bytes()
    last = data.rindex(b"\xff\xc0\x00\x11\x08") + 5
    path.write_bytes(data[:last] + struct.pack(">2H", 40, 64) + data[last + 4 :])
    with pytest.raises(VideoError, match=r"x\.avi: its frames change from 64 x 48 to 64 x 40 pixels"):
        read_video(path)


def test_the_time_limit_holds_and_names_the_setting(tmp_path):
    path = make_video(tmp_path, "mpeg4", 4000)
    started = time.monotonic()
    with pytest.raises(VideoError, match=r"x\.mp4: not read within 0\.1 seconds; raise video\.timeout_seconds"):
        read_video(path, timeout_seconds=0.1)
    assert time.monotonic() - started < 5
    with pytest.raises(VideoError, match="not read within 0 seconds"):
        read_video(path, 1, timeout_seconds=0.0)


def test_a_playlist_reads_no_other_file(tmp_path):
    video = make_video(tmp_path, "h264_stream", 3)
    playlist = tmp_path / "list.mp4"
    playlist.write_text(
        f"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nhttp://localhost:9/{video.name}\n#EXT-X-ENDLIST"
    )
    with pytest.raises(VideoError, match=r"list\.mp4: "):
        read_video(playlist)


# Two hundred broken files

MUTATE = ("cut", "flip", "header", "swap", "erase", "insert")
READ = """
import json, sys, time
from storage.encode import write_video
from storage.errors import VideoError
from storage.video import read_video
for line in sys.stdin:
    path, num_frames = json.loads(line)
    started = time.monotonic()
    try:
        outcome = f"{len(read_video(path, num_frames, timeout_seconds=10.0).frames)} frames"
    except VideoError as error:
        outcome = str(error)
    print(json.dumps([outcome, time.monotonic() - started]), flush=True)
"""


def mutated(data: bytes, rng: random.Random) -> bytes:
    """`data` with one kind of damage."""
    damaged, start = bytearray(data), rng.randrange(len(data))
    kind, size = rng.choice(MUTATE), rng.choice([1, 16, 256, 2048])
    if kind == "cut":
        del damaged[start:]
    elif kind == "flip":
        for _ in range(rng.choice([1, 8, 64])):
            damaged[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
    elif kind == "header":
        for _ in range(rng.choice([1, 4, 16])):
            damaged[rng.randrange(min(1024, len(data)))] = rng.randrange(256)
    elif kind == "swap":
        other = rng.randrange(len(data))
        first, second = sorted((start, other))
        size = min(size, second - first, len(data) - second)
        damaged[first : first + size], damaged[second : second + size] = (
            damaged[second : second + size],
            damaged[first : first + size],
        )
    elif kind == "erase":
        damaged[start : start + size] = bytes(len(damaged[start : start + size]))
    else:
        damaged[start:start] = rng.randbytes(size)
    return bytes(damaged)


def test_two_hundred_broken_files_are_read_or_named_and_none_hangs_or_crashes(tmp_path):
    """In a process of their own, so that a crash inside FFmpeg would show as one."""
    sources = [
        make_video(tmp_path, kind, 24)
        for kind in ("h264", "h264_open_gop", "hevc_open_gop", "vp9", "mjpeg", "h264_stream")
    ]
    reader = subprocess.Popen(
        [sys.executable, "-c", READ],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[1],
    )
    assert reader.stdin is not None
    assert reader.stdout is not None
    read, named = 0, set()
    with reader:
        for seed in range(200):
            rng = random.Random(seed)
            source = rng.choice(sources)
            path = tmp_path / f"broken{seed}{source.suffix}"
            path.write_bytes(mutated(source.read_bytes(), rng))
            print(json.dumps([str(path), rng.choice([None, 1, 4])]), file=reader.stdin, flush=True)
            answer = reader.stdout.readline()
            assert answer, f"seed {seed}: the reader ended with {reader.wait()}"
            outcome, seconds = json.loads(answer)
            assert seconds < 12, f"seed {seed}: {seconds:.1f} seconds"
            if outcome.endswith(" frames"):
                read += 1
            else:
                assert outcome.startswith(f"{path}: "), f"seed {seed}: {outcome}"
                assert len(outcome) > len(f"{path}: ") + 10
                named.add(outcome.removeprefix(f"{path}: ")[:12])
        reader.stdin.close()
    assert reader.returncode == 0
    assert 20 < read < 180
    assert len(named) >= 4
