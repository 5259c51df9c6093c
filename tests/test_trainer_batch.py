"""What the trainer encodes is what the engine was shown: altered frames from a file or from a seed, never the clean."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import ALTERATIONS

from flows.config import load_config
from stages.alterations import cue, make_harder
from stages.config import AugmentConfig
from stages.deterministic_engine import DeterministicEngine
from stages.engine import Policy
from stages.rollout import Query, Scene, roll_out
from storage.altered import store_video
from storage.datasets import shapes
from storage.files import Files
from storage.records import Alteration, Difficulty
from storage.samples import local_path
from trainer.batch import encode_group
from trainer.policy import load_policy, load_processor


@pytest.fixture(scope="module")
def world(checkpoint, tmp_path_factory):
    """The policy, a scene and a sample with a span, of an mp4 at a rate that is no whole number."""
    root = tmp_path_factory.mktemp("batch")
    shapes.generate(root / "data", seed=3, num_train=1, num_validation=0)
    config, files = load_config("tiny", ["rollout.group_size=2", "video.num_frames=5"]), Files(root / "run")
    engine, processor = DeterministicEngine(config.video, checkpoint), load_processor(checkpoint)
    engine.load(Policy(checkpoint, checkpoint, 0))
    locate = lambda path: local_path(files, path)  # noqa: E731
    scene = Scene("run", 1, "augment", 0, 0, engine, processor, config.video, config.rewards, locate)
    sample = replace(shapes.load(root / "data")[0], problem_type="number", options=(), answer="2", spans=((0.5, 1.0),))
    return load_policy(checkpoint, trainable=False), scene, files, config.rollout, sample


def encoded(world, alteration, path):
    """The group that the trainer makes of what the engine answered, and one of its rollouts."""
    model, scene, _, config, sample = world
    rollouts, dropped = roll_out([Query(sample, "augmented", 0, path, None, alteration=alteration)], config, scene)
    assert not dropped
    return encode_group(rollouts, model, scene.processor, scene.locate, torch.device("cpu")), rollouts[0]


@pytest.mark.parametrize("kind", ALTERATIONS)
def test_features_are_the_same_from_file_and_seed_and_not_those_of_the_clean_video(world, kind):
    _, scene, files, _, sample = world
    work = make_harder if kind in ("noise", "mask") else cue
    groups = {}
    for storage in ("video", "seed"):
        difficulty = Difficulty("run", 1, 0, sample.sample_id, 0.5, 0.5, 9, 0.3, "easy", 0.8)
        config = AugmentConfig(storage=storage, **ALTERATIONS[kind])
        row = work(sample, difficulty, config, scene, lambda frames, fps: store_video(files, frames, fps))
        groups[storage] = encoded(world, row.alteration, row.video_path)
    (file, first), (seed, second) = groups.values()
    clean, _ = encoded(world, Alteration(), sample.video_path)
    assert torch.equal(file.features, seed.features)
    assert file.second_per_grid == seed.second_per_grid == clean.second_per_grid
    assert file.features.shape == clean.features.shape
    assert not torch.equal(file.features, clean.features)
    assert first.prompt == second.prompt
    assert np.array_equal(first.prompt_token_ids, second.prompt_token_ids)
    assert Path(second.video_path) == Path(sample.video_path) != Path(first.video_path)
