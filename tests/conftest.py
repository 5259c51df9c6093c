"""What several files share: the shipped checkpoint, a small configuration, a quiet console, a rollout to vary."""

import io
import os
from pathlib import Path

import numpy as np
import pytest

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # before torch: spinning threads starve each other on two cores

from rich.console import Console

from flows.config import load_config
from flows.session import find_checkpoint, open_session
from flows.stage_specs import schedule
from flows.stages import run_stage
from storage.records import Rollout

SMALL = [
    "engine.type=deterministic",
    "rounds=2",
    "data.num_train=24",
    "data.num_validation=6",
    "select.samples_per_round=10",
    "rollout.group_size=4",
    "rollout.shard_size=4",
    "difficulty.min_level=0.1",
    "augment.num_traces=2",
    "train.groups_per_batch=3",
    "train.groups_per_forward=1",
]


@pytest.fixture(scope="session")
def checkpoint() -> Path:
    return find_checkpoint("builtin:tiny")


@pytest.fixture
def console() -> Console:
    return Console(file=io.StringIO())


@pytest.fixture(scope="session")
def small_config():
    """Two rounds of ten samples on the deterministic engine; trains the shipped model for real."""
    return load_config("tiny", SMALL)


@pytest.fixture(scope="session")
def three_rounds(tmp_path_factory, small_config):
    """The folder of a finished run of three rounds, with hints and noised videos; copy it to change it."""
    folder = tmp_path_factory.mktemp("three") / "run"
    do_all(folder, small_config.model_copy(update={"rounds": 3}))
    return folder


def do_all(folder, config):
    """Does what is missing of a run, without Prefect."""
    with open_session(str(folder), config, Console(file=io.StringIO())) as session:
        for name, round_index in schedule(config):
            run_stage(session, name, round_index)


def rollout_with(**fields) -> Rollout:
    """A rollout of one response, with `fields` as given and the rest plausible."""
    tokens = np.array([1, 2], np.int32)
    plain = {
        "run_id": "r",
        "round_index": 0,
        "pass_": "original",
        "sample_id": "s0",
        "group_index": 0,
        "rollout_index": 0,
        "policy_version": 0,
        "problem_type": "number",
        "prompt": "What?",
        "prompt_token_ids": tokens,
        "response": "",
        "response_token_ids": tokens,
        "engine_logprobs": np.array([-0.5, -0.25], np.float32),
        "finish_reason": "stop",
        "reward": 0.0,
        "reward_format": 0.0,
        "reward_accuracy": 0.0,
        "reward_iou": None,
        "max_reward": 2.0,
        "predicted_answer": None,
        "seed": 0,
        "augmentation": "none",
        "level": 0.0,
        "video_path": "videos/x.mp4",
        "video_sha256": "0" * 64,
        "frame_indices": np.arange(2, dtype=np.int64),
        "video_fps": 4.0,
        "video_num_frames": 2,
        "min_pixels": 784,
        "max_pixels": 784,
        "temperature": 1.0,
    } | fields
    named = {"group_id": "{round_index}-{pass_}-{sample_id}".format(**plain)}
    return Rollout(**(named | plain))
