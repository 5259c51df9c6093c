"""What the trainer encodes is what the engine was shown: altered frames from a file or from a seed, never the clean."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import ALTERATIONS, rollout_with

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
from trainer.batch import Group, encode_group, forward_passes
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
    scene = Scene("run", 1, "augment", 0, 0, engine, processor, config.video, config.prompts, config.rewards, locate)
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


def group_of(prompt, *responses):
    rows = [rollout_with(prompt_token_ids=np.zeros(prompt), response_token_ids=np.zeros(n)) for n in responses]
    return Group(rows, torch.zeros(0), torch.zeros(1, 3), 1.0)


def test_a_groups_tokens_are_its_prompt_once_and_its_padded_responses():
    assert group_of(10, 3, 1, 2).num_tokens == 10 + 3 * 3


@pytest.mark.parametrize(
    ("max_tokens", "passes"),
    [(1, [1, 1, 1, 1]), (19, [1, 1, 1, 1]), (20, [2, 1, 1]), (40, [2, 1, 1]), (60, [3, 1]), (90, [4]), (10**9, [4])],
)
def test_forward_passes_keep_the_order_and_their_budget(max_tokens, passes):
    groups = [group_of(8, 1, 1), group_of(6, 2, 1), group_of(20, 5, 5), group_of(30, 5, 4)]  # 10, 10, 30, 40 tokens
    found = forward_passes(groups, max_tokens)
    assert [len(some) for some in found] == passes
    assert [group for some in found for group in some] == groups
    assert all(sum(group.num_tokens for group in some) <= max_tokens for some in found if len(some) > 1)
