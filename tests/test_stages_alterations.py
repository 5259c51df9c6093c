"""What is done to a sample's video: decided here, recorded, and the same bytes whether kept as a file or as a seed."""

from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from conftest import ALTERATIONS

from flows.config import load_config
from stages.alterations import cue, frames_inside, frames_to_mask, make_harder
from stages.config import AugmentConfig
from stages.deterministic_engine import DeterministicEngine
from stages.rollout import Scene
from storage.altered import store_altered
from storage.datasets import shapes
from storage.digest import sha256_file
from storage.encode import write_video
from storage.files import Files
from storage.frames import read_shown
from storage.image import png_bytes, read_image
from storage.mark import mark_frames
from storage.mask import mask_frames
from storage.noise import add_noise
from storage.records import Difficulty, Dropped, Media
from storage.samples import local_path
from storage.schema import to_table
from storage.video import read_video
from trainer.policy import load_processor

SPANS = ((0.5, 1.0),)


@pytest.fixture(scope="module")
def clean_samples(tmp_path_factory):
    root = tmp_path_factory.mktemp("data")
    shapes.generate(root, seed=7, num_train=12, num_validation=0)
    return shapes.load(root)


@pytest.fixture
def world(tmp_path, checkpoint, clean_samples):
    config, files = load_config("tiny"), Files(tmp_path / "run")
    engine = DeterministicEngine(config.video, checkpoint)
    locate = lambda path: local_path(files, path)  # noqa: E731
    processor = load_processor(checkpoint)
    scene = Scene("run", 1, "augment", 0, 1, engine, processor, config.video, config.prompts, config.rewards, locate)
    sample = next(sample for sample in clean_samples if sample.problem_type != "temporal_grounding")
    return scene, files, replace(sample, spans=SPANS, video_sha256=sha256_file(sample.video_path))


def level_of(sample, level):
    return Difficulty("run", 1, 5, sample.sample_id, 0.5, 0.5, 9, 0.3, "easy", level)


def altered(world, kind, storage="video", level=0.8, **changes):
    scene, files, sample = world
    sample = replace(sample, **changes)
    config = AugmentConfig(storage=storage, **ALTERATIONS[kind])
    work = make_harder if kind in ("noise", "mask") else cue
    return work(sample, level_of(sample, level), config, scene, partial(store_altered, files))


def clean(world):
    scene, _, sample = world
    return read_video(sample.video_path, scene.video.num_frames, scene.video.max_pixels)


def shown(world, row):
    """The video that the row alone leads to."""
    video = world[0].video
    return read_shown(row.media, world[0].locate, video.choice, video.max_pixels, row.alteration).video


@pytest.mark.parametrize("kind", ALTERATIONS)
def test_frames_are_the_same_bytes_from_a_file_and_from_a_seed(world, kind):
    before = clean(world).frames
    file, seed = (altered(world, kind, storage) for storage in ("video", "seed"))
    a, b = shown(world, file), shown(world, seed)
    assert a.frames.tobytes() == b.frames.tobytes()
    assert a.frames.shape == b.frames.shape == before.shape
    assert not np.array_equal(a.frames, before)
    rates = [len(v.indices) / v.num_file_frames * v.fps for v in (a, b)]
    assert rates[0] == rates[1]  # the sampled rate, from which the model's time positions come
    assert (file.realised_sigma, file.kind, file.level) == (seed.realised_sigma, seed.kind, seed.level)


@pytest.mark.parametrize("kind", ALTERATIONS)
def test_a_seed_writes_no_file_and_names_the_original(world, kind):
    _, files, sample = world
    seed = altered(world, kind, "seed")
    assert seed.media == sample.media
    assert seed.alteration.altered_on_read
    assert not files.walk("videos")
    file = altered(world, kind, "video")
    assert list(files.walk("videos")) == [file.media.video_path]
    assert file.media.video_sha256 == sha256_file(files.local(file.media.video_path))
    assert not file.alteration.altered_on_read


@pytest.mark.parametrize("storage", ["video", "seed"])
def test_noise_is_what_was_asked_for(world, storage):
    row = altered(world, "noise", storage, level=0.2)
    assert (row.kind, row.alteration.noise_sigma) == ("noise", pytest.approx(20.0))
    expected = add_noise(clean(world).frames, row.alteration.noise_sigma, row.alteration.noise_seed)
    assert np.array_equal(shown(world, row).frames, expected)
    assert row.realised_sigma == pytest.approx(20.0, rel=0.05)


@pytest.mark.parametrize(("level", "count"), [(1.0, 4), (0.8, 3), (0.5, 2)])
def test_masked_frames_are_black_and_the_others_untouched(world, level, count):
    row = altered(world, "mask", level=level)  # round(level * 0.5 * 8 frames)
    masked = row.alteration.masked_frames
    assert (row.kind, len(set(masked.tolist())), masked.dtype) == ("mask", count, np.int64)
    frames, before = shown(world, row).frames, clean(world).frames
    assert np.array_equal(frames, mask_frames(before, masked))
    assert not frames[masked].any()
    rest = np.setdiff1d(np.arange(len(frames)), masked)
    assert np.array_equal(frames[rest], before[rest])
    assert row.realised_sigma is None


def test_a_cue_points_to_the_frames_inside_the_spans(world):
    times = clean(world).times
    inside = np.flatnonzero((times >= 0.5) & (times <= 1.0))
    assert 0 < len(inside) < len(times)
    mark, keep = altered(world, "mark"), altered(world, "keep")
    assert mark.kind == keep.kind == "cue"
    assert (mark.alteration.marked_frames.tolist(), mark.alteration.masked_frames.tolist()) == (inside.tolist(), [])
    outside = np.setdiff1d(np.arange(len(times)), inside).tolist()
    assert (keep.alteration.marked_frames.tolist(), keep.alteration.masked_frames.tolist()) == ([], outside)
    assert np.array_equal(shown(world, mark).frames, mark_frames(clean(world).frames, inside))


@pytest.mark.parametrize(
    "changes",
    [
        {"problem_type": "temporal_grounding"},  # the spans are its answer
        {"spans": ()},
        {"spans": ((0.01, 0.02),)},  # between two frames
        {"spans": ((0.0, 99.0),)},  # every frame
    ],
)
def test_a_sample_that_cannot_be_cued_is_left_to_the_hints(world, changes):
    assert altered(world, "mark", **changes) is None
    assert altered(world, "keep", **changes) is None


def test_spans_end_inclusive_overlap_and_count_from_the_first_frame():
    times = np.array([1.4, 1.9, 2.4, 2.9])  # as in an MPEG transport stream
    spans = ((0.0, 0.2), (0.9, 1.0), (0.95, 1.1))
    assert frames_inside(times, spans).tolist() == [True, False, True, False]
    assert frames_inside(times - 1.4, ((0.5, 1.0),)).tolist() == [False, True, True, False]


@pytest.mark.parametrize("num_frames", [1, 2, 3, 16])
@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
def test_one_frame_is_always_left(num_frames, share):
    masked = frames_to_mask(num_frames, share, 5)
    assert len(masked) == min(round(share * num_frames), num_frames - 1)
    assert masked.tolist() == sorted(set(masked.tolist()))
    assert set(masked.tolist()) <= set(range(num_frames))


def test_every_frame_is_masked_as_often_as_the_others():
    counts = np.zeros(8)
    for seed in range(2000):
        counts[frames_to_mask(8, 0.5, seed)] += 1
    assert counts / 2000 == pytest.approx(np.full(8, 0.5), abs=0.05)


def test_where_no_frame_is_to_be_masked_the_row_says_so(world, tmp_path):
    low = altered(world, "mask", level=0.01)
    write_video(tmp_path / "one.avi", np.full((1, 60, 60, 3), 128, np.uint8), 4.0, "ffv1")
    one = altered(world, "mask", level=1.0, video_path=str(tmp_path / "one.avi"), video_sha256=None)
    for row in (low, one):
        assert (row.kind, row.reason, row.control) == ("none", "no_frame_to_mask", False)
        assert not world[1].walk("videos")


@pytest.mark.parametrize("kind", ["noise", "mask"])
def test_chance_depends_on_seed_round_and_sample_alone(world, kind):
    scene, files, sample = world
    first = altered(world, kind, level=1.0)
    assert to_table(type(first), [altered(world, kind, level=1.0)]) == to_table(type(first), [first])
    others = [
        altered((replace(scene, round_index=4), files, sample), kind, level=1.0),
        altered((replace(scene, seed=3), files, sample), kind, level=1.0),
        altered(world, kind, level=1.0, sample_id="another"),
    ]
    assert len({first.media, *(row.media for row in others)}) == 4


@pytest.fixture
def image(tmp_path):
    """The path of an image with values of 80 to 175, which noise of sigma 20 does not saturate."""
    pixels = np.random.default_rng(0).integers(80, 176, (70, 90, 3), dtype=np.uint8)
    (tmp_path / "x.png").write_bytes(png_bytes(pixels))
    return str(tmp_path / "x.png")


def whole(world, row):
    """Everything that the row alone leads to."""
    video = world[0].video
    return read_shown(row.media, world[0].locate, video.choice, video.max_pixels, row.alteration)


@pytest.mark.parametrize("changes", [{}, {"video_path": None, "video_sha256": None}], ids=["beside", "alone"])
def test_an_image_gets_noise_beside_a_video_and_alone(world, image, changes):
    rows = [altered(world, "noise", storage, 0.2, image_path=image, **changes) for storage in ("video", "seed")]
    file, seed = (whole(world, row) for row in rows)
    assert file.pixels.tobytes() == seed.pixels.tobytes()
    difference = file.image.astype(float) - read_image(image)
    assert difference.std() == pytest.approx(20.0, rel=0.05)
    for row in rows:
        assert (row.kind, row.alteration.noise_sigma) == ("noise", pytest.approx(20.0))
        assert row.realised_sigma == pytest.approx(20.0, rel=0.05)
    assert (file.video is None) == bool(changes)
    paths = [path for path in (rows[0].media.video_path, rows[0].media.image_path) if path is not None]
    assert sorted(world[1].walk("videos")) == sorted(paths)
    assert rows[1].media.image_path == image


@pytest.mark.parametrize("kind", ["mask", "mark", "keep"])
def test_only_frames_of_a_video_are_masked_or_pointed_out(world, image, kind):
    row = altered(world, kind, image_path=image)
    assert (row.media.image_path, row.kind) == (image, "mask" if kind == "mask" else "cue")
    assert np.array_equal(whole(world, row).image, read_image(image))
    assert not np.array_equal(whole(world, row).video.frames, clean(world).frames)


def test_an_image_alone_has_no_frame_to_mask_and_is_left_to_the_hints(world, image):
    alone = {"video_path": None, "video_sha256": None, "image_path": image}
    row = altered(world, "mask", level=1.0, **alone)
    assert (row.kind, row.reason, row.media) == ("none", "no_frame_to_mask", Media(image_path=image))
    assert altered(world, "mark", **alone) is altered(world, "keep", **alone) is None


@pytest.mark.parametrize("kind", ALTERATIONS)
def test_an_image_that_cannot_be_read_is_dropped(world, kind, tmp_path):
    (tmp_path / "broken.png").write_text("no image")
    row = altered(world, kind, image_path=str(tmp_path / "broken.png"))
    assert isinstance(row, Dropped)
    assert (row.reason, Path(row.detail.split(":")[0]).name) == ("unreadable_image", "broken.png")


@pytest.mark.parametrize("kind", ALTERATIONS)
def test_a_video_that_cannot_be_read_is_dropped(world, kind, tmp_path):
    (tmp_path / "broken.mp4").write_text("no video")
    row = altered(world, kind, video_path=str(tmp_path / "broken.mp4"))
    assert isinstance(row, Dropped)
    assert (row.reason, Path(row.detail.split(":")[0]).name) == ("unreadable_video", "broken.mp4")
