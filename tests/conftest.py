"""What several files share: the shipped checkpoint, a small configuration, a quiet console, a rollout to vary."""

import io
import os
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # before torch: spinning threads starve each other on two cores

from rich.console import Console
from small_run import SMALL, complete, complete_in_child

from flows.cli import main
from flows.config import load_config
from flows.session import find_checkpoint
from storage.records import Alteration, Media, Rollout

ALTERATIONS = {
    "noise": {"increasing": "noise"},
    "mask": {"increasing": "mask"},
    "mark": {"decreasing": "cue", "cue": "mark"},
    "keep": {"decreasing": "cue", "cue": "keep"},
}
"""Settings of `augment` for each way of changing a video."""


@pytest.fixture(scope="session")
def checkpoint() -> Path:
    return find_checkpoint("builtin:tiny")


@pytest.fixture
def console() -> Console:
    return Console(file=io.StringIO())


@pytest.fixture(scope="session")
def small_config():
    """Two rounds of ten samples; see small_run.SMALL."""
    return load_config("tiny", SMALL)


@pytest.fixture(scope="session")
def two_rounds(tmp_path_factory, small_config):
    """The folder of a finished, undisturbed run of two rounds; copy it to change it."""
    folder = tmp_path_factory.mktemp("two") / "run"
    complete_in_child(folder, small_config)
    return folder


@pytest.fixture
def unfinished(two_rounds, tmp_path):
    """A copy of it whose last training is still to be done."""
    shutil.copytree(two_rounds, tmp_path / "run")
    shutil.rmtree(tmp_path / "run/rounds/00001/train")
    shutil.rmtree(tmp_path / "run/rounds/00002")
    return tmp_path / "run"


@pytest.fixture(scope="session")
def three_rounds(tmp_path_factory, small_config):
    """The folder of a finished run of three rounds, with hints and altered videos; copy it to change it."""
    folder = tmp_path_factory.mktemp("three") / "run"
    complete(folder, small_config.model_copy(update={"rounds": 3}))
    return folder


@pytest.fixture(scope="module")
def groups(checkpoint, tmp_path_factory):
    """Five groups to train on; see train_round.five_groups."""
    from train_round import five_groups

    return five_groups(tmp_path_factory.mktemp("shapes"), checkpoint)


@pytest.fixture
def forgetful():
    """Accelerate keeps the first device and precision of a process for good."""
    from accelerate.state import AcceleratorState

    AcceleratorState._reset_state(reset_partial_state=True)
    yield
    AcceleratorState._reset_state(reset_partial_state=True)


def call(capture, *arguments):
    """Runs the command in this process: exit code, standard output, standard error."""
    sys.argv = ["deepvideo", *map(str, arguments)]
    with pytest.raises(SystemExit) as end:
        main()
    out, err = capture.readouterr()
    return end.value.code or 0, out, err


def one_line(err):
    """What a command printed on standard error, which must be one line of its own."""
    assert err.startswith("deepvideo: ")
    assert err.count("\n") == 1
    assert err.endswith("\n")
    assert "Traceback" not in err
    return err


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
        "alteration": Alteration(),
        "media": Media("videos/x.mp4", "0" * 64),
        "frame_indices": np.arange(2, dtype=np.int64),
        "video_fps": 4.0,
        "video_num_frames": 2,
        "min_pixels": 784,
        "max_pixels": 784,
        "temperature": 1.0,
    } | fields
    named = {"group_id": "{round_index}-{pass_}-{sample_id}".format(**plain)}
    return Rollout(**(named | plain))
