"""Cached frames: the same bytes as decoded ones, never damaged ones, never too many, whoever reads and writes."""

import errno
import os
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pytest

from storage import content, frames
from storage.content import content_sha256
from storage.digest import sha256_file
from storage.encode import write_video
from storage.errors import VideoError
from storage.files import Files
from storage.frame_cache import FrameCache, open_cache
from storage.frames import Shown, read_shown
from storage.noise import add_noise
from storage.records import Alteration, Media
from storage.sampling import AtRate, Choice, EveryFrame, Exactly, Uniform
from storage.video import Video, read_video

MIB = 2**20
NOISE = Alteration(noise_sigma=20.0, noise_seed=5, altered_on_read=True)


def written(path: Path, seed: int = 0, num_frames: int = 9) -> Path:
    """A small video; `seed` makes another one."""
    pixels = np.random.default_rng(seed).integers(0, 256, (num_frames, 24, 32, 3), dtype=np.uint8)
    write_video(path, pixels, 4, "ffv1")
    return path


@pytest.fixture
def video(tmp_path: Path) -> Path:
    return written(tmp_path / "x.avi")


@pytest.fixture
def cache(tmp_path: Path) -> FrameCache:
    return FrameCache(tmp_path / "frames", 16 * MIB)


@pytest.fixture
def decoded(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The files that were decoded, in order."""
    paths = list[Path]()

    def counted(path: Path, **rest: object) -> Video:
        paths.append(path)
        return read_video(path, **rest)  # type: ignore[arg-type]

    monkeypatch.setattr(frames, "read_video", counted)
    return paths


def show(
    path: Path,
    cache: FrameCache | None,
    choose: Choice = Uniform(4),  # noqa: B008
    max_pixels: int = 300,
    alteration: Alteration | None = None,
    sha256: str | None = None,
) -> Video:
    shown: Shown = read_shown(
        Media(str(path), sha256), Path, choose, max_pixels, alteration or Alteration(), cache=cache
    )
    assert shown.video is not None
    return shown.video


def same(one: Video, other: Video) -> bool:
    arrays = all(
        np.array_equal(getattr(one, name), getattr(other, name))
        and getattr(one, name).dtype == getattr(other, name).dtype
        and getattr(other, name).flags.writeable
        for name in ("frames", "times", "indices")
    )
    return arrays and (one.num_file_frames, one.fps) == (other.num_file_frames, other.fps)


def names(cache: FrameCache) -> list[Path]:
    return sorted(cache.folder.iterdir())


def held(cache: FrameCache) -> int:
    """Bytes on the disk; a file with two names counts once."""
    return sum({entry.stat().st_ino: entry.stat().st_size for entry in cache.folder.iterdir()}.values())


CHOICES = [Uniform(4), AtRate(1.5, 3), Exactly((0, 3, 8)), EveryFrame()]


@pytest.mark.parametrize("choose", CHOICES, ids=repr)
@pytest.mark.parametrize("max_pixels", [300, 10_000])
def test_cached_frames_are_the_decoded_ones(
    video: Path, cache: FrameCache, decoded: list[Path], choose: Choice, max_pixels: int
) -> None:
    plain = show(video, None, choose, max_pixels)
    assert same(plain, show(video, cache, choose, max_pixels))
    assert len(decoded) == 2
    assert same(plain, show(video, cache, choose, max_pixels))
    assert same(plain, show(video, cache, Exactly(tuple(plain.indices.tolist())), max_pixels))  # as the trainer asks
    assert len(decoded) == 2


def test_other_frames_sizes_and_contents_are_other_entries(
    video: Path, cache: FrameCache, decoded: list[Path], tmp_path: Path
) -> None:
    asked: list[Callable[[FrameCache | None], Video]] = [
        lambda cache: show(video, cache),
        lambda cache: show(video, cache, max_pixels=200),
        lambda cache: show(video, cache, Uniform(3)),
        lambda cache: show(video, cache, AtRate(4.0, 4)),
        lambda cache: show(video, cache, AtRate(2.0, 4)),
        lambda cache: show(written(tmp_path / "y.avi", seed=1), cache),
    ]
    for _ in range(2):
        for ask in asked:
            assert same(ask(None), ask(cache))
    assert len(decoded) == 6 + 6 + 6  # without the cache twice each, with it once


def test_a_file_of_the_same_content_elsewhere_is_not_decoded(
    video: Path, cache: FrameCache, decoded: list[Path], tmp_path: Path
) -> None:
    first = show(video, cache)
    (tmp_path / "copy.avi").write_bytes(video.read_bytes())
    assert same(first, show(tmp_path / "copy.avi", cache))
    assert decoded == [video]


def test_noise_is_added_to_cached_frames_which_stay_clean(video: Path, cache: FrameCache, decoded: list[Path]) -> None:
    clean = show(video, None)
    for _ in range(2):
        noisy = show(video, cache, alteration=NOISE)
        assert np.array_equal(noisy.frames, add_noise(clean.frames, 20.0, 5))
    noisy.frames[:] = 0
    assert same(clean, show(video, cache))
    assert len(decoded) == 2


def test_bytes_that_changed_are_refused_although_the_frames_are_cached(video: Path, cache: FrameCache) -> None:
    recorded = sha256_file(video)
    assert same(show(video, cache, sha256=recorded), show(video, None))
    size = video.stat().st_size
    written(video, seed=1)
    os.truncate(video, max(size, video.stat().st_size))
    with pytest.raises(VideoError, match=r"x\.avi: its bytes changed since the run began"):
        show(video, cache, sha256=recorded)
    with pytest.raises(VideoError, match="no such video file"):
        show(video.with_name("absent.avi"), cache)


def test_no_entry_with_one_bit_flipped_or_cut_is_used(video: Path, cache: FrameCache, decoded: list[Path]) -> None:
    plain = show(video, cache, Exactly((0, 4)), 200)
    (path,) = names(cache)
    whole = path.read_bytes()
    key = (sha256_file(video), Exactly((0, 4)), 200)
    found = cache.get(*key)
    assert found is not None
    assert same(plain, found)
    places = np.random.default_rng(0).integers(0, len(whole), 300)
    damaged = [whole[:i] + bytes([whole[i] ^ (1 << i % 8)]) + whole[i + 1 :] for i in [0, 63, 64, 70, *places.tolist()]]
    for data in [*damaged, whole[:-1], whole[:64], b"", whole + b"\0", bytes(len(whole))]:
        path.write_bytes(data)
        assert cache.get(*key) is None
        assert not path.exists()  # or it would stay in the way of a whole one
    assert same(plain, show(video, cache, Exactly((0, 4)), 200))
    assert len(decoded) == 2
    assert path.read_bytes() == whole


def entry(num_bytes: int) -> Video:
    return Video(np.zeros((1, 1, num_bytes // 3, 3), np.uint8), np.zeros(1), np.zeros(1, np.int64), 1, 1.0)


def test_the_least_recently_used_leave_and_the_limit_holds(tmp_path: Path) -> None:
    cache = FrameCache(tmp_path, MIB)
    for i in range(40):
        cache.put(f"{i}", Uniform(1), None, entry(60_000))
        assert held(cache) <= MIB
        time.sleep(0.002)  # so that their times differ
        assert cache.get("0", Uniform(1), None) is not None  # used all along
    here = [i for i in range(40) if cache.get(f"{i}", Uniform(1), None) is not None]
    assert here == [0, *range(40 - len(here) + 1, 40)]
    assert held(cache) > MIB / 2
    assert len(names(cache)) == 2 * len(here)  # both names of an entry left with it
    cache.put("large", Uniform(1), None, entry(MIB))
    assert cache.get("large", Uniform(1), None) is None
    assert cache.get("39", Uniform(1), None) is not None


def test_a_full_disk_keeps_nothing_and_breaks_nothing(
    video: Path, cache: FrameCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(path: Path, data: bytes) -> int:
        with open(path, "wb") as file:
            file.write(data[:100])
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    assert same(show(video, None), show(video, cache))
    assert names(cache) == []


def many_reads(folder: Path, seed: int) -> int:
    """Reads five videos over and over through a cache that holds two of them; how often the frames were wrong."""
    cache, rng = FrameCache(folder / "frames", 8_000), np.random.default_rng(seed)
    wrong = 0
    for i in rng.integers(0, 5, 60).tolist():
        path = folder / f"{i}.avi"
        wrong += not same(read_video(path, 3, 300), show(path, cache, Uniform(3)))
    return wrong


def test_processes_and_threads_at_once_read_the_right_frames(tmp_path: Path) -> None:
    for i in range(5):
        written(tmp_path / f"{i}.avi", seed=i)
    with ProcessPoolExecutor(3, get_context("spawn")) as processes, ThreadPoolExecutor(4) as threads:
        work = [pool.submit(many_reads, tmp_path, i) for i, pool in enumerate([processes] * 3 + [threads] * 4)]
        assert [done.result() for done in work] == [0] * 7
    assert [path for path in (tmp_path / "frames").iterdir() if path.suffix == ".tmp"] == []


def test_a_file_is_hashed_once_until_it_changes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hashed = list[Path]()

    def counted(path: Path) -> str:
        hashed.append(path)
        return sha256_file(path)

    monkeypatch.setattr(content, "sha256_file", counted)
    path = tmp_path / "x"
    path.write_bytes(b"one")
    assert content_sha256(path) == content_sha256(path) == sha256_file(path)
    assert len(hashed) == 2  # just written: it may be written once more unseen
    monkeypatch.setattr(content, "_SETTLED_NS", -1)
    times = path.stat().st_atime_ns, path.stat().st_mtime_ns
    for data in (b"two", b"six"):
        path.write_bytes(data)
        os.utime(path, ns=times)  # the same size and time as before: only the inode knows
        assert content_sha256(path) == content_sha256(path) == sha256_file(path)
        time.sleep(0.02)
    assert len(hashed) == 4


def test_the_cache_lies_in_a_local_run_and_elsewhere_for_a_store(tmp_path: Path) -> None:
    found = open_cache(Files(tmp_path), 0.5)
    assert found == FrameCache(tmp_path / "frames", 2**29)
    assert open_cache(Files(tmp_path), 0.0) is None
    files = Files("memory://run")
    store = open_cache(files, 1.0)
    assert store is not None
    assert store.folder.parent.is_dir()
    assert store.folder == files.working_folder("frames")
