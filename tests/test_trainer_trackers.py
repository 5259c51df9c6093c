"""Trackers show the rows of `train_steps` over the run's optimiser steps, each once, and change nothing."""

import dataclasses
import importlib.metadata
import multiprocessing
import os
import shutil

import numpy as np
import pytest
from conftest import call
from rich.console import Console
from small_run import SMALL, complete
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from flows.config import load_config
from flows.session import open_session
from flows.stage_runs import run_train
from flows.stage_specs import SPECS, run_settings, schedule
from flows.stages import run_stage
from storage.errors import UserError
from storage.layout import address
from storage.query import query
from storage.records import TrainStep
from storage.run import Run
from trainer.config import TrainConfig
from trainer.trackers import PROJECT, check_trackers

TRACKED = [*SMALL, 'train.trackers=["tensorboard"]']
EVERY_COLUMN = [*TRACKED, 'train.importance_sampling="sequence"', "train.save_every=2"]
COLUMNS = {f.name for f in dataclasses.fields(TrainStep)} - {"run_id", "stopped"}  # those are text


def drawn(folder):
    """What TensorBoard shows of a run: values by tag, each as (step, value)."""
    accumulator = EventAccumulator(str(folder / "logs" / PROJECT), size_guidance={"scalars": 0}).Reload()
    return {tag: [(e.step, e.value) for e in accumulator.Scalars(tag)] for tag in accumulator.Tags()["scalars"]}


def logged(folder):
    """What must be shown: every number of `train_steps`, over the steps of the whole run."""
    rows = query(Run.open(str(folder)), "from train_steps order by round_index, step").to_pylist()
    return {f"train_steps/{name}": [(i, np.float32(row[name])) for i, row in enumerate(rows)] for name in COLUMNS}


@pytest.fixture(scope="module")
def tracked(tmp_path_factory):
    """A run of two rounds that was drawn by TensorBoard."""
    folder = tmp_path_factory.mktemp("tracked") / "run"
    complete(folder, load_config("tiny", EVERY_COLUMN))
    return folder


def test_tensorboard_shows_each_row_of_the_table_over_the_steps_of_the_run(tracked):
    assert drawn(tracked) == logged(tracked)
    rounds = [value for _, value in drawn(tracked)["train_steps/round_index"]]
    assert rounds == sorted(rounds)
    assert set(rounds) == {0.0, 1.0}


def test_a_round_trained_again_is_drawn_once(tracked, tmp_path):
    shutil.copytree(tracked, tmp_path / "run")
    config = load_config("tiny", [*EVERY_COLUMN, "train.kl_weight=0.3"])
    with open_session(str(tmp_path / "run"), config, Console(quiet=True), accept_changes=True) as session:
        run_stage(session, "train", 0)
    assert drawn(tmp_path / "run") == logged(tmp_path / "run")  # of the first round alone: the second is stale
    complete(tmp_path / "run", config)
    assert drawn(tmp_path / "run") == logged(tmp_path / "run")
    assert drawn(tmp_path / "run") != drawn(tracked)


def killed_in_training(folder, config):
    """Does a run up to the second optimiser step of its second round and ends there, as a kill does."""

    def end(what, done, total, **figures):
        if (what, done) == ("update policy", 2):
            os._exit(9)

    with open_session(str(folder), config, Console(quiet=True)) as session:
        for name, r in schedule(config):
            if (name, r) != ("train", 1):
                run_stage(session, name, r)
                continue
            here, ledger = address(r, name), session.run.ledger
            inputs = {source: ledger.digest(source) for source in SPECS[name].inputs(config, r)}
            run_train(session, r, session.run.attempt(here, inputs), end)


def test_a_killed_round_that_is_resumed_is_drawn_once(tracked, tmp_path):
    config = load_config("tiny", EVERY_COLUMN)
    child = multiprocessing.get_context("spawn").Process(target=killed_in_training, args=(tmp_path / "run", config))
    child.start()
    child.join()
    assert child.exitcode == 9
    first = len(logged(tmp_path / "run")["train_steps/loss"])
    assert len(drawn(tmp_path / "run")["train_steps/loss"]) == first + 2  # drawn live, and not in the table yet
    complete(tmp_path / "run", config)
    assert drawn(tmp_path / "run") == logged(tmp_path / "run")


def test_trackers_are_no_part_of_any_key(two_rounds, tmp_path):
    assert run_settings(load_config("tiny", TRACKED)).stages == run_settings(load_config("tiny", SMALL)).stages
    shutil.copytree(two_rounds, tmp_path / "run")
    assert complete(tmp_path / "run", load_config("tiny", TRACKED)) == []
    assert not (tmp_path / "run" / "logs" / PROJECT).exists()


def test_a_tracker_that_is_not_installed_is_one_line_before_any_work(capfd, tmp_path):
    installed = {found.metadata["Name"] for found in importlib.metadata.distributions()}
    name = next((name for name in ("trackio", "wandb") if name not in installed), None)
    if name is None:
        pytest.skip("every tracker is installed")
    for more in ([], ["--dry-run"]):
        code, _, err = call(
            capfd, "run", "tiny", "--run-dir", tmp_path / "run", "--set", f'train.trackers=["{name}"]', *more
        )
        assert code == 2
        assert err == f"deepvideo: train.trackers: {name} is not installed; pip install {name}, or leave it out\n"
    assert not (tmp_path / "run" / "rounds").exists()
    assert not (tmp_path / "run" / "data").exists()


def test_tensorboard_needs_a_folder():
    with pytest.raises(UserError, match="object store"):
        check_trackers(TrainConfig(trackers=("tensorboard",)), has_folder=False)


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ('train.trackers=["tensorbord"]', "did you mean tensorboard?"),
        ("train.trackers=tensorboard", "train.trackers is 'tensorboard'"),
    ],
)
def test_a_wrong_tracker_is_the_users_error(override, said):
    with pytest.raises(UserError) as caught:
        load_config("tiny", [override])
    assert said in str(caught.value)
