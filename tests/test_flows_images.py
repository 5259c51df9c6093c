"""A whole round on samples with an image: beside the video, alone, and one that cannot be read."""

import dataclasses
import io
import shutil
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console
from small_run import SMALL
from test_flows_trace import printed

from flows.config import load_config
from flows.report.film import strips
from flows.session import open_session
from flows.stage_specs import schedule
from flows.stages import run_stage
from storage import layout
from storage.datasets import shapes
from storage.files import Files
from storage.image import png_bytes
from storage.query import query
from storage.run import Run
from storage.samples import write_samples
from storage.verify import verify

SETTINGS = [
    *SMALL,
    "rounds=1",
    "data.num_train=12",
    "data.num_validation=2",
    "select.samples_per_round=12",
    "difficulty.reference=absolute",
    "difficulty.absolute_reward=0.2",
    "augment.control_fraction=0",
]
"""Nearly every sample is easier than the reference, and gets noise in the first round."""


BROKEN = 1
"""The sample, counted from 0, whose image is cut short."""


def with_images(samples, folder):
    """Every third sample keeps its video alone, every third gets an image beside it, every third only that."""
    folder.mkdir()
    for i, sample in enumerate(samples):
        path = folder / f"{sample.sample_id}.png"
        path.write_bytes(png_bytes(np.random.default_rng(i).integers(0, 256, (40 + 30 * i, 150, 3), dtype=np.uint8)))
        if i == BROKEN:
            path.write_bytes(path.read_bytes()[:-50])
        beside = dataclasses.replace(sample, image_path=str(path))
        yield (sample, beside, dataclasses.replace(beside, video_path=None))[i % 3]


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """The folder of a run of one round; its data set is the embedded one with images put into its sample table."""
    folder = tmp_path_factory.mktemp("images") / "run"
    config = load_config("tiny", SETTINGS)
    with open_session(str(folder), config, Console(file=io.StringIO())) as session:
        files, digest = session.run.files, session.run.identity.data
        samples = list(with_images(shapes.load(folder / layout.DATA), folder / layout.DATA / "images"))
        files.remove(layout.samples_table(digest))
        write_samples(files, digest, samples, lambda what, done, total: None)
        for name, round_index in schedule(config):
            run_stage(session, name, round_index)
    return folder


def rows(folder, sql):
    return query(Run.open(str(folder)), sql).to_pylist()


def test_every_stage_keeps_what_was_shown(finished):
    samples = {row["sample_id"]: row for row in rows(finished, "from samples")}
    rollouts = rows(finished, "from rollouts where pass = 'original'")
    assert len({row["sample_id"] for row in rollouts}) == 11
    for row in rollouts:
        sample = samples[row["sample_id"]]
        names = ("video_path", "video_sha256", "image_path", "image_sha256")
        assert [row[name] for name in names] == [sample[name] for name in names]
        assert (row["video_fps"] is None) == (row["video_num_frames"] is None) == (row["video_path"] is None)
        assert bool(row["frame_indices"]) == (row["video_path"] is not None)
        assert ("<|video_pad|>" in row["prompt"]) == (row["video_path"] is not None)
        assert ("<|image_pad|>" in row["prompt"]) == (row["image_path"] is not None)
    trained = rows(
        finished, "select distinct group_id, video_path, image_path from train_rollouts join curated using (group_id)"
    )
    assert {(row["video_path"] is None, row["image_path"] is None) for row in trained} == {
        (False, True), (False, False), (True, False)
    }  # fmt: skip


def test_noise_falls_on_video_and_image(finished):
    altered = rows(finished, "select a.*, s.video_path as video, s.image_path as image from augmentations a "
                   "join samples s using (sample_id) where a.kind = 'noise'")  # fmt: skip
    assert {(row["video"] is None, row["image"] is None) for row in altered} == {
        (False, True), (False, False), (True, False)
    }  # fmt: skip
    for row in altered:
        assert (row["video_path"] or "videos/").startswith("videos/")
        assert (row["image_path"] or "videos/").startswith("videos/")
        assert (row["video_path"] is None, row["image_path"] is None) == (row["video"] is None, row["image"] is None)
        assert row["realised_sigma"] > 10
    shown = rows(finished, "select distinct sample_id, image_path from rollouts where pass = 'augmented'")
    noised = {row["sample_id"]: row["image_path"] for row in altered}
    assert {row["sample_id"]: row["image_path"] for row in shown if row["sample_id"] in noised} == noised


def test_the_broken_image_drops_its_sample_with_the_reason(finished):
    broken = "shapes-train-00001"
    dropped = rows(finished, "from dropped where stage = 'rollout'")
    assert [(row["sample_id"], row["reason"]) for row in dropped] == [(broken, "unreadable_image")]
    assert f"{broken}.png: cannot be decoded" in dropped[0]["detail"]
    text = " ".join(printed("trace", broken, "--run-dir", finished).split())
    assert f"image data/images/{broken}.png" in text
    assert "unreadable_image" in text


def test_film_strips_show_the_images(finished):
    found = strips(Run.open(str(finished)))
    assert found
    assert [strip.problem for strip in found] == [""] * len(found)
    assert all(strip.clean != strip.shown for strip in found)


def test_verify_hashes_images_of_the_data_and_altered_ones(finished, tmp_path):
    run = Path(shutil.copytree(finished, tmp_path / "run"))
    victims = [next(run.glob("videos/*.png")), next(run.glob("data/images/shapes-train-00004.png"))]
    before = damaged(run)
    for victim in victims:
        victim.write_bytes(victim.read_bytes()[:-1])
    assert damaged(run) - before == {victim.relative_to(run).as_posix() for victim in victims}
    victims[0].unlink()
    assert victims[0].relative_to(run).as_posix() in damaged(run)


def damaged(run):
    report = verify(Files(run), lambda what, done, total: None)
    assert report.orphans == {}
    return {damage.path for damage in report.damages}
