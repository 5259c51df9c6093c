"""Hints on real videos with the deterministic engine: what the rows say is what was sampled."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from flows.config import load_config
from stages.augment import add_hints, has_control
from stages.config import AugmentConfig
from stages.deterministic_engine import DeterministicEngine
from stages.leak import leaks
from stages.rollout import Scene
from storage.datasets import shapes
from storage.files import Files
from storage.records import Difficulty
from storage.samples import local_path
from trainer.policy import load_processor


@pytest.fixture
def world(tmp_path, checkpoint):
    shapes.generate(tmp_path / "data", seed=7, num_train=12, num_validation=0)
    config, files = load_config("tiny"), Files(tmp_path / "run")
    engine = DeterministicEngine(config.video, checkpoint)
    locate = lambda path: local_path(files, path)  # noqa: E731
    scene = Scene("run", 1, "augment", 0, 1, engine, load_processor(checkpoint), config.video, config.rewards, locate)
    return scene, config, files, shapes.load(tmp_path / "data")


def difficulty(sample, delta, level):
    label = "hard" if delta > 0 else "easy"
    return Difficulty("run", 1, 5, sample.sample_id, 0.5, 0.5 + delta, 9, delta, label, level)


def test_hints_come_from_traces_that_are_kept_and_never_leak(world):
    scene, config, _, samples = world
    items = [(sample, difficulty(sample, 0.4, 0.8)) for sample in samples]
    rows, traces, dropped = add_hints(items, config.augment, config.rollout, scene)
    assert not dropped
    assert len(traces) == len(samples) * config.augment.num_traces
    hinted = [row for row in rows if row.kind == "hint"]
    assert hinted
    by_id = {sample.sample_id: sample for sample in samples}
    for row in hinted:
        chosen = [t for t in traces if t.sample_id == row.sample_id and t.chosen]
        assert len(chosen) == 1
        assert row.hint in " ".join(chosen[0].response.split())
        assert not leaks(row.hint, by_id[row.sample_id])
        assert 0 < row.hint_fraction <= 0.8 * config.augment.max_hint_fraction + 0.2
    for row in rows:
        assert (row.kind == "hint") == (row.hint != "") == (row.reason == "")


def test_a_video_that_cannot_be_read_is_dropped(world):
    scene, config, _, samples = world
    Path(samples[0].video_path).write_text("no video")
    row = difficulty(samples[0], 0.3, 0.4)
    _, _, dropped = add_hints([(samples[0], row)], config.augment, config.rollout, scene)
    assert [d.reason for d in dropped] == ["unreadable_video"]


@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
def test_controls_are_a_seeded_share(world, share):
    scene, _, _, samples = world
    config = AugmentConfig(control_fraction=share)
    many = [replace(samples[0], sample_id=f"s{i}") for i in range(2000)]
    found = [has_control(sample, config, scene) for sample in many]
    assert abs(np.mean(found) - share) < 0.05
    assert found == [has_control(sample, config, scene) for sample in many]
