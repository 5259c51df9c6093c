"""Videos: what is written is read again, and what is no whole video is said to be none."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from storage.digest import sha256_file
from storage.encode import Codec, codec_available, write_video
from storage.errors import VideoError
from storage.sampling import uniform_indices
from storage.video import Video, pixel_limits, read_video

WRITTEN = [("h264", "mp4"), ("ffv1", "avi"), ("ffv1", "mkv"), ("h264", "mkv"), ("h264", "avi"), ("ffv1", "mp4")]


def noise(num_frames: int = 16, height: int = 36, width: int = 48, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (num_frames, height, width, 3), dtype=np.uint8)


def smooth(num_frames: int = 12, height: int = 48, width: int = 64) -> np.ndarray:
    """A ramp that moves: what a lossy codec keeps well."""
    t, y, x = np.mgrid[0:num_frames, 0:height, 0:width]
    channels = [100 + x + 2 * t, 60 + y + x // 2, 160 - y - t]
    return np.stack(channels, axis=-1).clip(0, 255).astype(np.uint8)


def written(folder: Path, frames: np.ndarray, codec: Codec = "ffv1", ending: str = "avi", fps: float = 4.0) -> Path:
    path = folder / f"{codec}.{ending}"
    write_video(path, frames, fps, codec)
    return path


def psnr(a: np.ndarray, b: np.ndarray) -> float:
    """Peak signal-to-noise ratio in decibels, higher is more alike."""
    return float(10 * np.log10(255.0**2 / np.mean((a.astype(float) - b) ** 2)))


def assert_reads_whole_or_refuses(path: Path, whole: Video, ending: str) -> bool:
    """True if `path` was refused; a frame that differs or is missing may not pass for the video."""
    try:
        found = read_video(path)
    except VideoError:
        return True
    assert np.array_equal(found.frames, whole.frames), f"{ending} of {path.stat().st_size} bytes"
    return False


# Round trips


@pytest.mark.parametrize("ending", ["avi", "mkv", "mp4"])
def test_ffv1_keeps_every_pixel(tmp_path: Path, ending: str) -> None:
    frames = noise()
    video = read_video(written(tmp_path, frames, "ffv1", ending))
    assert video.frames.dtype == np.uint8
    assert np.array_equal(video.frames, frames)


@pytest.mark.parametrize("ending", ["mp4", "mkv", "avi"])
def test_h264_keeps_the_picture_and_its_channels(tmp_path: Path, ending: str) -> None:
    frames = smooth()
    video = read_video(written(tmp_path, frames, "h264", ending))
    assert video.frames.shape == frames.shape
    assert psnr(video.frames, frames) > 38.0
    assert psnr(video.frames[..., ::-1], frames) < 25.0  # red is not blue
    assert psnr(video.frames[::-1], frames) < 30.0  # and the frames are in order


@pytest.mark.parametrize("fps", [0.5, 4.0, 23.976, 30000 / 1001, 60.0])
@pytest.mark.parametrize(("codec", "ending"), [("h264", "mp4"), ("ffv1", "avi")])
def test_times_and_rate_come_back(tmp_path: Path, codec: Codec, ending: str, fps: float) -> None:
    video = read_video(written(tmp_path, noise(7), codec, ending, fps))
    assert video.fps == pytest.approx(fps, rel=1e-5)
    assert video.times.dtype == np.float64
    assert np.allclose(video.times, np.arange(7) / fps, atol=1e-3)
    assert video.indices.tolist() == list(range(7))
    assert video.num_file_frames == 7


@pytest.mark.parametrize("num_frames", [1, 2])
@pytest.mark.parametrize(("codec", "ending"), WRITTEN)
def test_very_short_videos(tmp_path: Path, codec: Codec, ending: str, num_frames: int) -> None:
    video = read_video(written(tmp_path, noise(num_frames), codec, ending))
    assert video.frames.shape == (num_frames, 36, 48, 3)
    assert video.metadata()["duration"] == num_frames / 4.0


@pytest.mark.parametrize(("height", "width"), [(35, 48), (36, 47), (1, 1), (3, 5), (2, 301)])
def test_ffv1_takes_any_sides(tmp_path: Path, height: int, width: int) -> None:
    frames = noise(3, height, width)
    assert np.array_equal(read_video(written(tmp_path, frames)).frames, frames)


@pytest.mark.parametrize(("height", "width"), [(35, 48), (36, 47), (1, 1)])
def test_h264_refuses_odd_sides_and_writes_no_file(tmp_path: Path, height: int, width: int) -> None:
    with pytest.raises(VideoError, match=rf"odd\.mp4: .*even sides, not {width} x {height}.*ffv1"):
        write_video(tmp_path / "odd.mp4", noise(3, height, width), 4.0, "h264")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("codec", "ending"), WRITTEN[:2])
@pytest.mark.parametrize(("num_frames", "fps"), [(0, 4.0), (3, 0.0), (3, -1.0), (3, float("nan"))])
def test_no_frame_and_no_rate_are_refused(
    tmp_path: Path, codec: Codec, ending: str, num_frames: int, fps: float
) -> None:
    with pytest.raises(VideoError, match=f"{num_frames} frames at {fps} frames per second"):
        write_video(tmp_path / f"x.{ending}", noise(num_frames), fps, codec)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("value", [0, 128, 255])
def test_one_grey(tmp_path: Path, value: int) -> None:
    frames = np.full((5, 36, 48, 3), value, np.uint8)
    assert np.array_equal(read_video(written(tmp_path, frames)).frames, frames)
    found = read_video(written(tmp_path, frames, "h264", "mp4")).frames
    assert np.abs(found.astype(int) - value).max() <= 2


@pytest.mark.parametrize("colour", [(255, 0, 0), (0, 255, 0), (0, 0, 255)])
def test_one_colour(tmp_path: Path, colour: tuple[int, int, int]) -> None:
    frames = np.broadcast_to(np.array(colour, np.uint8), (5, 36, 48, 3)).copy()
    assert np.array_equal(read_video(written(tmp_path, frames)).frames, frames)
    found = read_video(written(tmp_path, frames, "h264", "mp4")).frames
    assert np.abs(found.astype(int) - np.array(colour)).max() <= 6


@pytest.mark.parametrize(("codec", "ending"), WRITTEN)
def test_equal_frames_give_equal_bytes(tmp_path: Path, codec: Codec, ending: str) -> None:
    digests = set()
    for i, seed in enumerate((1, 1, 2)):
        (tmp_path / str(i)).mkdir()
        digests.add(sha256_file(written(tmp_path / str(i), noise(seed=seed), codec, ending)))
    if (codec, ending) in WRITTEN[:2]:  # what a run writes; Matroska draws an identifier
        assert len(digests) == 2
    else:
        assert len(digests) >= 2


# What is no whole video


@pytest.mark.parametrize(("codec", "ending"), WRITTEN)
def test_a_video_cut_anywhere_is_refused_or_read_whole(tmp_path: Path, codec: Codec, ending: str) -> None:
    """Only an index behind the last frame may be missing: no cut loses a frame, or part of one, in silence."""
    source = written(tmp_path, noise(), codec, ending)
    data, whole = source.read_bytes(), read_video(source)
    cuts = {round(len(data) * i / 23) for i in range(23)} | {len(data) - n for n in (1, 20, 300, 1000, 2000, 3000)}
    refused = set()
    for size in cuts:
        path = tmp_path / f"cut.{ending}"
        path.write_bytes(data[:size])
        if assert_reads_whole_or_refuses(path, whole, ending):
            refused.add(size)
    assert {size for size in cuts if size < 0.97 * len(data)} <= refused


@pytest.mark.parametrize(
    ("codec", "ending", "message"),
    [
        ("h264", "avi", "truncated, 15 of 16 frames are there"),
        ("ffv1", "avi", "truncated, 15 of 16 frames are there"),
        ("h264", "mkv", r"truncated, ends at 3\.75 of 4\.00 seconds"),
        ("ffv1", "mkv", r"truncated, ends at 3\.75 of 4\.00 seconds"),
        ("h264", "mp4", "cannot be decoded"),  # its index is at its end
        ("ffv1", "mp4", "cannot be decoded"),
    ],
)
def test_a_video_without_its_last_frame_says_so(tmp_path: Path, codec: Codec, ending: str, message: str) -> None:
    """Cut where the last packet begins: nothing in the file is damaged, a frame is just not there."""
    source = written(tmp_path, noise(), codec, ending)
    with av.open(str(source)) as container:
        start = max(packet.pos for packet in container.demux(video=0) if packet.pos is not None)
    path = tmp_path / f"cut.{ending}"
    path.write_bytes(source.read_bytes()[:start])
    with pytest.raises(VideoError, match=rf"cut\.{ending}: {message}"):
        read_video(path)


def remuxed(source: Path, target: Path, options: dict[str, str], earlier_seconds: float = 0.0) -> Path:
    """A copy of the packets, as `ffmpeg -c copy` makes one; shown from `earlier_seconds` on."""
    with av.open(str(source)) as old, av.open(str(target), "w", options=options) as new:
        stream = new.add_stream_from_template(old.streams.video[0])
        for packet in old.demux(video=0):
            if packet.dts is not None:
                shift = round(earlier_seconds / packet.time_base)
                packet.pts, packet.dts, packet.stream = packet.pts - shift, packet.dts - shift, stream
                new.mux(packet)
    return target


def test_an_mp4_with_its_index_in_front_is_refused_when_cut(tmp_path: Path) -> None:
    source = written(tmp_path, noise(), "h264", "mp4")
    path = remuxed(source, tmp_path / "front.mp4", {"movflags": "faststart"})
    data, whole = path.read_bytes(), read_video(path)
    assert np.array_equal(whole.frames, read_video(source).frames)
    for size in range(len(data) // 10, len(data), len(data) // 10):
        path.write_bytes(data[:size])
        assert assert_reads_whole_or_refuses(path, whole, "mp4")


def test_a_clip_that_hides_its_first_frames_is_no_truncated_video(tmp_path: Path) -> None:
    """Cutting without encoding again keeps the frames back to a key frame and hides them by an edit list."""
    source = written(tmp_path, smooth(32), "h264", "mp4", fps=8.0)
    options = {"avoid_negative_ts": "disabled", "movflags": "faststart"}
    path = remuxed(source, tmp_path / "clip.mp4", options, earlier_seconds=1.0)
    video = read_video(path)
    assert video.num_file_frames == 24
    assert np.array_equal(video.frames, read_video(source).frames[8:])
    assert np.allclose(video.times, np.arange(24) / 8)
    data = path.read_bytes()
    path.write_bytes(data[: len(data) * 3 // 4])
    with pytest.raises(VideoError, match="truncated"):
        read_video(path)


@pytest.mark.parametrize("content", [b"", b"not a video, just text\n" * 100, bytes(5000)])
@pytest.mark.parametrize("ending", ["mp4", "avi", "mkv"])
def test_what_is_no_video_is_refused_by_name(tmp_path: Path, content: bytes, ending: str) -> None:
    path = tmp_path / f"broken.{ending}"
    path.write_bytes(content)
    with pytest.raises(VideoError, match=rf"broken\.{ending}: "):
        read_video(path)


def test_a_missing_file_and_a_folder_are_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(VideoError, match=r"absent\.mp4: no such video file"):
        read_video(tmp_path / "absent.mp4")
    with pytest.raises(VideoError, match="no such video file"):
        read_video(tmp_path)


def test_a_file_with_sound_alone_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "sound.mkv"
    with av.open(str(path), "w") as container:
        stream: Any = container.add_stream("pcm_s16le", rate=8000)
        sound = av.AudioFrame.from_ndarray(np.zeros((1, 8000), np.int16), format="s16", layout="mono")
        sound.sample_rate = 8000
        container.mux(stream.encode(sound))
        container.mux(stream.encode())
    with pytest.raises(VideoError, match=r"sound\.mkv: holds no video stream"):
        read_video(path)


def test_the_encoders_of_a_run_are_there() -> None:
    assert codec_available("h264")
    assert codec_available("ffv1")


# Frames and sizes


@pytest.mark.parametrize("num_frames", [1, 3, 16, 40])
def test_sampled_frames_are_the_file_s_own(tmp_path: Path, num_frames: int) -> None:
    frames = noise()
    video = read_video(written(tmp_path, frames), num_frames)
    assert video.indices.tolist() == uniform_indices(16, num_frames).tolist()
    assert np.array_equal(video.frames, frames[video.indices])
    assert np.allclose(video.times, video.indices / 4.0)
    assert video.num_file_frames == 16


@pytest.mark.parametrize(
    ("height", "width", "max_pixels"),
    [(60, 80, 1200), (80, 60, 1200), (50, 50, 100), (61, 83, 4999), (20, 21, 109), (21, 20, 109), (36, 48, 1)],
)
def test_large_frames_are_reduced_in_proportion_and_just_below_the_limit(
    tmp_path: Path, height: int, width: int, max_pixels: int
) -> None:
    _, h, w, _ = read_video(written(tmp_path, noise(2, height, width)), max_pixels=max_pixels).frames.shape
    assert h * w <= max_pixels
    assert (h + 1) * (w + 1) > max_pixels
    assert abs(h - w * height / width) <= max(1.0, height / width)


@pytest.mark.parametrize("max_pixels", [None, 36 * 48, 36 * 48 + 1, 10**9])
def test_frames_within_the_limit_are_left_as_they_are(tmp_path: Path, max_pixels: int | None) -> None:
    frames = noise(2)
    assert np.array_equal(read_video(written(tmp_path, frames), max_pixels=max_pixels).frames, frames)


def test_reducing_averages_areas(tmp_path: Path) -> None:
    frames = noise(2, 40, 60)
    found = read_video(written(tmp_path, frames), max_pixels=20 * 30).frames
    means = frames.reshape(2, 20, 2, 30, 2, 3).mean(axis=(2, 4))
    assert np.abs(found - means).max() <= 0.5


def test_metadata_is_what_the_processors_need(tmp_path: Path) -> None:
    video = read_video(written(tmp_path, noise(), fps=8.0), 4)
    assert video.metadata() == {
        "fps": 8.0,
        "duration": 2.0,
        "total_num_frames": 16,
        "frames_indices": [0, 5, 10, 15],
        "video_backend": "pyav",
    }


def test_pixel_limits_have_the_processors_names() -> None:
    assert pixel_limits(784, 63504) == {"shortest_edge": 784, "longest_edge": 63504}
