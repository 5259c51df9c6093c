"""Frames as a model is shown them, from every odd kind of video: upright, RGB, and the same from file and seed."""

import struct
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from storage import layout
from storage.altered import store_altered
from storage.digest import sha256_file
from storage.encode import write_video
from storage.errors import ImageError, VideoError
from storage.files import Files
from storage.frames import Shown, alter, read_shown
from storage.image import png_bytes
from storage.mark import mark_frames
from storage.mask import mask_frames
from storage.noise import add_noise
from storage.records import Alteration, Media
from storage.sampling import Uniform
from storage.video import Video, read_video

NUM_FRAMES, MAX_PIXELS = 8, 2000
EVERY = np.arange(1, dtype=np.int64)
NOISE = Alteration(noise_sigma=30.0, noise_seed=3)
MASK = Alteration(masked_frames=EVERY)
MARK = Alteration(marked_frames=EVERY)
TURNS = {90: (0, -1, 1, 0), 180: (-1, 0, 0, -1), 270: (0, 1, -1, 0)}
"""The display matrix of each turn, counter-clockwise: x' = a x + c y, y' = b x + d y, y downwards."""


def ramp(num_frames=6, height=36, width=48):
    """A picture that no turn leaves as it is, a little brighter in each frame."""
    t, y, x = np.mgrid[0:num_frames, 0:height, 0:width]
    return np.stack([4 * x + t, 5 * y + t, 60 + 2 * x + y + t], axis=-1).clip(0, 255).astype(np.uint8)


def encoded(path, codec, pixel_format, frames, source_format="rgb24", times=None, options=None):
    """A video as others make them: any codec, pixel format and presentation times (in quarters of a second)."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=4, options=options or {})
        stream.width, stream.height, stream.pix_fmt = frames.shape[2], frames.shape[1], pixel_format
        stream.time_base = Fraction(1, 4)
        for i, array in enumerate(frames):
            frame = av.VideoFrame.from_ndarray(array, format=source_format)
            frame.pts, frame.time_base = (times or range(len(frames)))[i], Fraction(1, 4)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def turned(path, angle):
    """Writes that the video at `path` is to be shown turned by `angle` degrees counter-clockwise, as phones do."""
    data = path.read_bytes()
    header = data.index(b"tkhd")
    place = data.index(struct.pack(">9i", 65536, 0, 0, 0, 65536, 0, 0, 0, 1 << 30), header)
    a, b, c, d = (65536 * value for value in TURNS[angle])
    path.write_bytes(data[:place] + struct.pack(">9i", a, b, 0, c, d, 0, 0, 0, 1 << 30) + data[place + 36 :])
    return path


def one_colour(folder):
    return encoded(folder / "x.mp4", "libx264", "yuv420p", np.full((6, 36, 48, 3), 200, np.uint8))


def one_frame(folder):
    return encoded(folder / "x.mp4", "libx264", "yuv420p", ramp(1))


def grey(folder):
    return encoded(folder / "x.mkv", "ffv1", "gray", ramp()[..., 0], "gray")


def transparent(folder):
    alpha = np.full((6, 36, 48, 1), 128, np.uint8)
    return encoded(folder / "x.mkv", "ffv1", "bgra", np.concatenate([ramp(), alpha], axis=-1), "rgba")


def odd_sides(folder):
    return encoded(folder / "x.mkv", "ffv1", "bgr0", ramp(6, 35, 47))


def odd_rate(folder):
    return encoded(folder / "x.mp4", "libx264", "yuv420p", ramp(), times=[0, 1, 2, 10, 11, 30])


def rotated(folder):
    return turned(encoded(folder / "x.mp4", "libx264", "yuv420p", ramp()), 90)


def shown(path, alteration):
    """The video at `path` as a model is shown it."""
    return read_shown(Media(str(path)), Path, Uniform(NUM_FRAMES), MAX_PIXELS, alteration).video


ODD = [one_colour, one_frame, grey, transparent, odd_sides, odd_rate, rotated]


@pytest.mark.parametrize("alteration", [NOISE, MASK, MARK], ids=["noise", "mask", "mark"])
@pytest.mark.parametrize("make", ODD)
def test_an_odd_video_is_altered_to_the_same_bytes_from_file_and_seed(tmp_path, make, alteration):
    source = make(tmp_path)
    clean = read_video(source, NUM_FRAMES, MAX_PIXELS)
    assert clean.frames.flags.c_contiguous
    write_video(tmp_path / "altered.avi", alter(Shown(clean), alteration).video.frames, 4.0, "ffv1")
    on_read = Alteration(
        alteration.noise_sigma,
        alteration.noise_seed,
        alteration.masked_frames,
        alteration.marked_frames,
        altered_on_read=True,
    )
    from_file, from_seed = shown(tmp_path / "altered.avi", alteration), shown(source, on_read)
    assert from_file.frames.tobytes() == from_seed.frames.tobytes()
    assert from_file.frames.shape == from_seed.frames.shape == clean.frames.shape
    assert not np.array_equal(from_seed.frames, clean.frames)


def test_grey_is_the_same_in_every_channel(tmp_path):
    frames = read_video(grey(tmp_path)).frames
    assert np.array_equal(frames, np.repeat(ramp()[..., :1], 3, axis=-1))


def test_transparency_is_left_out(tmp_path):
    assert np.array_equal(read_video(transparent(tmp_path)).frames, ramp())


def test_odd_sides_stay_odd(tmp_path):
    assert np.array_equal(read_video(odd_sides(tmp_path)).frames, ramp(6, 35, 47))


def test_one_frame_is_one_frame(tmp_path):
    video = shown(one_frame(tmp_path), Alteration())
    assert (video.indices.tolist(), video.num_file_frames, video.times.tolist()) == ([0], 1, [0.0])


def test_an_uneven_rate_keeps_its_times(tmp_path):
    assert read_video(odd_rate(tmp_path)).times.tolist() == [0.0, 0.25, 0.5, 2.5, 2.75, 7.5]


@pytest.mark.parametrize("angle", TURNS)
def test_a_turned_video_is_shown_upright(tmp_path, angle):
    path = encoded(tmp_path / "x.mp4", "libx264", "yuv420p", ramp())
    plain = read_video(path).frames
    upright = read_video(turned(path, angle)).frames
    assert np.array_equal(upright, np.rot90(plain, angle // 90, axes=(1, 2)))


def test_a_turned_video_is_reduced_after_it_is_turned(tmp_path):
    path = turned(encoded(tmp_path / "x.mp4", "libx264", "yuv420p", ramp(2, 40, 120)), 90)
    assert read_video(path, max_pixels=1200).frames.shape == (2, 60, 20, 3)


@pytest.mark.parametrize("fps", [24000 / 1001 * 16 / 300, 16 / 36000, 1 / 3, 60.0])
def test_a_written_video_has_the_rate_it_was_given(tmp_path: Path, fps: float):
    write_video(tmp_path / "x.avi", ramp(2), fps, "ffv1")
    assert read_video(tmp_path / "x.avi").fps == pytest.approx(fps, rel=1e-12)


def test_several_alterations_are_noise_then_black_then_borders():
    frames = ramp()
    both = Alteration(20.0, 5, masked_frames=np.array([1, 2]), marked_frames=np.array([2, 3]))
    noisy = add_noise(frames, 20.0, 5)
    expected = mark_frames(mask_frames(noisy, np.array([1, 2])), np.array([2, 3]))
    video = Video(frames, np.arange(6) / 4, np.arange(6), 6, 4.0)
    assert np.array_equal(alter(Shown(video), both).video.frames, expected)
    assert np.array_equal(frames, ramp())


def pictured(folder, media, alteration=Alteration()):  # noqa: B008 - frozen
    """What a model is shown of files in a folder."""
    return read_shown(media, folder.joinpath, Uniform(NUM_FRAMES), MAX_PIXELS, alteration)


@pytest.fixture
def both(tmp_path):
    """A folder with a video and an image, and the record of both."""
    write_video(tmp_path / "x.avi", ramp(), 4.0, "ffv1")
    (tmp_path / "x.png").write_bytes(png_bytes(ramp(1)[0]))
    return tmp_path, Media("x.avi", sha256_file(tmp_path / "x.avi"), "x.png", sha256_file(tmp_path / "x.png"))


def test_a_video_an_image_or_both_are_shown(both):
    folder, media = both
    shown = pictured(folder, media)
    assert np.array_equal(shown.video.frames, ramp())
    assert np.array_equal(shown.image, ramp(1)[0])
    assert np.array_equal(shown.pixels[0, 0], np.concatenate([ramp(), ramp(1)]).reshape(-1, 3))
    alone = pictured(folder, Media(image_path="x.png"))
    assert alone.video is None
    assert np.array_equal(alone.pixels[0, 0], ramp(1).reshape(-1, 3))
    assert pictured(folder, Media("x.avi")).image is None


def test_an_image_has_noise_of_its_own_and_neither_black_nor_border(both):
    folder, media = both
    everything = Alteration(30.0, 3, masked_frames=EVERY, marked_frames=EVERY, altered_on_read=True)
    shown, other = pictured(folder, media, everything), pictured(folder, media, replace(everything, noise_seed=4))
    difference = shown.image.astype(float) - ramp(1)[0]
    assert 20 < difference.std() < 40
    assert not np.array_equal(shown.image, other.image)
    first = add_noise(ramp(1), 30.0, 3)[0]
    assert abs(np.corrcoef(difference.ravel(), (first.astype(float) - ramp(1)[0]).ravel())[0, 1]) < 0.1
    dark = replace(everything, noise_sigma=None)
    assert np.array_equal(pictured(folder, media, dark).image, ramp(1)[0])


def test_a_stored_image_shows_the_noise_that_a_seed_draws(both):
    folder, media = both
    noise = replace(NOISE, altered_on_read=True)
    from_seed = pictured(folder, media, noise)
    files = Files(folder)
    stored = store_altered(files, media, alter(pictured(folder, media), NOISE), NOISE)
    from_file = pictured(folder, stored, NOISE)
    assert from_file.pixels.tobytes() == from_seed.pixels.tobytes()
    assert stored.image_path == layout.image_file(stored.image_sha256)
    assert sorted(files.walk("videos")) == sorted([stored.video_path, stored.image_path])
    marked = store_altered(files, media, alter(pictured(folder, media), MARK), MARK)
    assert (marked.image_path, marked.image_sha256) == (media.image_path, media.image_sha256)
    assert marked.video_path not in (media.video_path, stored.video_path)


@pytest.mark.parametrize(("kind", "error"), [("video", VideoError), ("image", ImageError)])
def test_bytes_that_changed_are_refused(both, kind, error):
    folder, media = both
    changed = replace(media, **{f"{kind}_sha256": "0" * 64})
    with pytest.raises(error, match="its bytes changed since the run began"):
        pictured(folder, changed)


def test_a_file_that_holds_the_altered_frames_is_not_altered_again(tmp_path):
    write_video(tmp_path / "x.avi", ramp(), 4.0, "ffv1")
    assert np.array_equal(shown(tmp_path / "x.avi", NOISE).frames, ramp())
