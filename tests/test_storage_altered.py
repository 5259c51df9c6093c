"""Altered videos: lossless, named by their content, written once, nothing left beside them."""

from __future__ import annotations

import uuid
from pathlib import Path

import numpy as np
import pytest

from storage import layout
from storage.altered import store_video
from storage.digest import sha256_bytes, sha256_file
from storage.errors import VideoError
from storage.files import Files
from storage.video import read_video


def noise(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (5, 29, 43, 3), dtype=np.uint8)


@pytest.fixture(params=["local", "memory"])
def files(request: pytest.FixtureRequest, tmp_path: Path) -> Files:
    return Files(tmp_path / "run" if request.param == "local" else f"memory://{uuid.uuid4().hex}/run")


def test_a_stored_video_keeps_every_pixel_and_its_rate(files: Files) -> None:
    frames = noise(0)
    path, sha256 = store_video(files, frames, 12.5)
    video = read_video(files.local(path))
    assert np.array_equal(video.frames, frames)
    assert video.fps == 12.5
    assert sha256_file(files.local(path)) == sha256
    assert path == layout.video_file(sha256)


def test_equal_frames_share_a_file_and_others_do_not(files: Files) -> None:
    first = store_video(files, noise(1), 4.0)
    assert store_video(files, noise(1), 4.0) == first
    others = {store_video(files, noise(2), 4.0), store_video(files, noise(1), 8.0)}
    assert len({first, *others}) == 3
    assert len(files.names(layout.VIDEOS)) == 3
    for path, sha256 in (first, *others):
        assert sha256_bytes(files.read(path)) == sha256


def test_a_file_that_is_there_is_not_written_again(tmp_path: Path) -> None:
    files = Files(tmp_path)
    path, _ = store_video(files, noise(1), 4.0)
    before = (tmp_path / path).stat()
    store_video(files, noise(1), 4.0)
    after = (tmp_path / path).stat()
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


def test_nothing_is_left_in_the_scratch_folder_after_success_or_failure(tmp_path: Path) -> None:
    files = Files(tmp_path)
    store_video(files, noise(1), 4.0)
    with pytest.raises(VideoError, match="at least one"):
        store_video(files, noise(1)[:0], 4.0)
    assert list((tmp_path / ".scratch").iterdir()) == []
    assert len(files.names(layout.VIDEOS)) == 1
