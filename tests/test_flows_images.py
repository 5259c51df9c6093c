"""A whole round on own samples with an image: beside the video, alone, and one that cannot be read."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from small_run import SMALL, complete
from test_flows_trace import printed

from flows.amounts import TEXT_TOKENS, prompt_tokens
from flows.config import load_config
from flows.plan import make_plan
from flows.report.film import strips
from storage.datasets import shapes
from storage.files import Files
from storage.image import png_bytes
from storage.query import query
from storage.run import Run
from storage.verify import verify

SETTINGS = [
    *SMALL,
    "rounds=1",
    "select.samples_per_round=12",
    "difficulty.reference=absolute",
    "difficulty.absolute_reward=0.2",
    "augment.control_fraction=0",
]
"""Nearly every sample is easier than the reference, and gets noise in the first round."""
BROKEN = "shapes-train-00001"
"""The sample whose image is cut short."""


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """A folder of own.jsonl with its files: every third sample has a video, every third an image too, every third only
    an image."""
    root = tmp_path_factory.mktemp("own")
    shapes.generate(root, seed=0, num_train=12, num_validation=2)
    lines = []
    for i, sample in enumerate(shapes.load(root)):
        name = f"{sample.sample_id}.png"
        picture = png_bytes(np.random.default_rng(i).integers(0, 256, (40 + 30 * i, 150, 3), dtype=np.uint8))
        (root / name).write_bytes(picture[:-50] if sample.sample_id == BROKEN else picture)
        row = {
            "sample_id": sample.sample_id,
            "question": sample.question,
            "answer": sample.answer,
            "problem_type": sample.problem_type,
            "options": sample.options,
            "spans": sample.spans,
            "split": sample.split,
        }
        video = {"video": str(Path(sample.video_path).relative_to(root))}
        lines.append(row | ({"image": name} if i % 3 else {}) | (video if i % 3 < 2 else {}))
    (root / "own.jsonl").write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    return root


@pytest.fixture(scope="module")
def settings(data):
    """The overrides of a run of one round on the data."""
    paths = [f"data.paths.annotations='{data / 'own.jsonl'}'", f"data.paths.video_root='{data}'"]
    return [*SETTINGS, "data.name=jsonl", *paths]


@pytest.fixture(scope="module")
def finished(settings, tmp_path_factory):
    """The folder of a finished run."""
    folder = tmp_path_factory.mktemp("images") / "run"
    complete(folder, load_config("tiny", settings))
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


def test_the_plan_counts_images_beside_videos(finished, data, settings):
    """An estimate from above, by no more than the text that it takes for usual."""
    plan = make_plan(str(finished), load_config("tiny", settings))
    assert (plan.video_share, plan.image_share) == (10 / 14, 9 / 14)
    found = rows(finished, "select avg(n) as n from (select any_value(len(prompt_token_ids)) as n from rollouts "
                 "where pass = 'original' group by sample_id)")  # fmt: skip
    planned = prompt_tokens(plan.config, plan.video_share, plan.image_share)
    assert found[0]["n"] < planned < found[0]["n"] + TEXT_TOKENS


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


def test_the_broken_image_drops_its_sample_with_the_reason(finished, data):
    dropped = rows(finished, "from dropped where stage = 'rollout'")
    assert [(row["sample_id"], row["reason"]) for row in dropped] == [(BROKEN, "unreadable_image")]
    assert f"{BROKEN}.png: cannot be decoded" in dropped[0]["detail"]
    text = "".join(printed("trace", BROKEN, "--run-dir", finished).split())
    assert f"image{data}/{BROKEN}.png" in text
    assert "unreadable_image" in text


def test_film_strips_show_the_images(finished):
    found = strips(Run.open(str(finished)))
    assert found
    assert [strip.problem for strip in found] == [""] * len(found)
    assert all(strip.clean != strip.shown for strip in found)


def test_verify_hashes_images_of_the_data_and_altered_ones(finished, data, tmp_path):
    run = Path(shutil.copytree(finished, tmp_path / "run"))
    assert damaged(run) == set()
    altered, own = next(run.glob("videos/*.png")), data / "shapes-train-00004.png"
    whole = own.read_bytes()
    for path in (altered, own):
        path.write_bytes(path.read_bytes()[:-1])
    assert damaged(run) == {f"videos/{altered.name}", str(own)}
    altered.unlink()
    own.unlink()
    assert damaged(run) == {f"videos/{altered.name}", str(own)}
    own.write_bytes(whole)


def damaged(run):
    report = verify(Files(run), lambda what, done, total: None)
    assert report.orphans == {}
    return {damage.path for damage in report.damages}
