"""A train stage that is killed goes on at its last state, and ends as one that was not: bit for bit."""

import pytest
import torch
from train_round import CONFIG, run, saved, weights

from storage.files import Files
from storage.shards import Attempt
from storage.states import latest_state
from trainer.config import LoraConfig
from trainer.training import OPTIMIZER_FILE

EVERY_TWO = CONFIG.model_copy(update={"groups_per_batch": 2, "save_every": 2})  # six steps, in three shards of two


class Killed(BaseException):
    pass


@pytest.fixture(scope="module")
def whole(groups, checkpoint, tmp_path_factory):
    return run(tmp_path_factory.mktemp("whole"), groups, checkpoint, EVERY_TWO)


def killed_after(step, folder, groups, checkpoint, config=EVERY_TWO):
    """A round killed when it has done `step` optimiser steps."""

    def progress(what, done, total, **figures):
        if what == "update policy" and done == step:
            raise Killed

    with pytest.raises(Killed):
        run(folder, groups, checkpoint, config, progress)
    return Attempt(Files(folder), "00000/train", "key", 0, 1, {}, 0, {})


def gone_on(folder, groups, checkpoint, config=EVERY_TWO):
    """The round's second try, and the number of steps that it reported."""
    reported = []

    def progress(what, done, total, **figures):
        if what == "update policy":
            reported.append(done)

    return run(folder, groups, checkpoint, config, progress), reported


def assert_same(found, wanted):
    assert found[1:] == wanted[1:]
    before, after = weights(saved(wanted[0])), weights(saved(found[0]))
    assert all(torch.equal(before[name], after[name]) for name in before)
    states = [torch.load(saved(end[0], "optimizer") / OPTIMIZER_FILE, weights_only=True) for end in (found, wanted)]
    moments = [state["state"][0]["exp_avg_sq"] for state in states]
    assert torch.equal(*moments)
    assert moments[0].abs().sum() > 0


@pytest.mark.parametrize(("step", "left"), [(1, [1, 2, 3, 4, 5, 6]), (2, [3, 4, 5, 6]), (5, [5, 6]), (6, [])])
def test_a_killed_stage_goes_on_at_its_last_state_and_ends_the_same(groups, checkpoint, whole, tmp_path, step, left):
    attempt = killed_after(step, tmp_path, groups, checkpoint)
    assert (latest_state(attempt) is None) is (step < 2)
    found, reported = gone_on(tmp_path, groups, checkpoint)
    assert reported == left
    assert_same(found, whole)
    assert not [name for name in found[0].files.names(found[0].folder) if name.startswith("state-")]


def test_a_killed_round_of_an_adapter_goes_on_too(groups, checkpoint, tmp_path):
    config = EVERY_TWO.model_copy(update={"lora": LoraConfig(rank=4, alpha=8), "learning_rate": 1e-3})
    whole = run(tmp_path / "whole", groups, checkpoint, config)
    killed_after(5, tmp_path / "killed", groups, checkpoint, config)
    found, reported = gone_on(tmp_path / "killed", groups, checkpoint, config)
    assert reported == [5, 6]
    assert_same(found, whole)


def test_the_length_of_a_shard_changes_no_number(groups, checkpoint, whole, tmp_path):
    assert_same(run(tmp_path, groups, checkpoint, EVERY_TWO.model_copy(update={"save_every": 25})), whole)


@pytest.mark.parametrize("damage", ["flip", "remove"])
def test_a_state_whose_bytes_changed_is_not_used(groups, checkpoint, whole, tmp_path, damage):
    attempt = killed_after(3, tmp_path, groups, checkpoint)
    _, folder = latest_state(attempt)
    file = folder / "state.pt"
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.unlink() if damage == "remove" else file.write_bytes(data)
    assert latest_state(attempt) is None
    found, reported = gone_on(tmp_path, groups, checkpoint)
    assert reported == [1, 2, 3, 4, 5, 6]
    assert_same(found, whole)


def test_one_state_is_kept_at_a_time(groups, checkpoint, tmp_path):
    attempt = killed_after(5, tmp_path, groups, checkpoint)
    assert [name[:11] for name in attempt.files.names(attempt.folder) if name.startswith("state-")] == ["state-00002"]


def test_a_step_above_a_ceiling_ends_a_resumed_round_too(groups, checkpoint, tmp_path):
    small = {"learning_rate": 1e-6, "kl_weight": 0.0, "updates_per_batch": 4, "groups_per_batch": 5}
    free = EVERY_TWO.model_copy(update=small)
    kls = [step.kl for step in run(tmp_path / "free", groups, checkpoint, free)[1]]
    assert kls == sorted(kls)
    config = free.model_copy(update={"max_kl": kls[2]})
    wanted = run(tmp_path / "whole", groups, checkpoint, config)
    assert [step.stopped is None for step in wanted[1]] == [True, True, True, False]
    killed_after(3, tmp_path / "killed", groups, checkpoint, config)
    assert_same(gone_on(tmp_path / "killed", groups, checkpoint, config)[0], wanted)
