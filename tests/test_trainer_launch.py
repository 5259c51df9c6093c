"""Two real processes (gloo) train as one does; a killed one ends the stage, and it goes on where it was saved."""

import multiprocessing
import os
import signal
import time
from pathlib import Path

import pytest
import torch
from pydantic import ValidationError
from small_run import fork_server
from train_round import CONFIG, run, saved, weights

from storage.errors import UserError
from storage.files import Files
from storage.records import OldLogprobs
from storage.shards import Attempt
from trainer.config import LoraConfig, TrainConfig
from trainer.rank import RankFailed
from trainer.training import OPTIMIZER_FILE

THREE_BATCHES = CONFIG.model_copy(update={"groups_per_batch": 2, "save_every": 2})  # six steps; the last batch: a group
FIGURES = ("loss", "policy_loss", "kl", "grad_norm", "rho_mean", "rho_std", "num_groups", "num_tokens")


def two(config, strategy, **changes):
    return config.model_copy(update={"num_processes": 2, "strategy": strategy, **changes})


def assert_close(found, wanted, checkpoint):
    """The same steps, rollouts, weights and moments, but for rounding, which AdamW makes into weights after a step."""
    (found_attempt, *found_rows), (attempt, *rows) = found, wanted
    steps, others = ([[getattr(s, name) for name in FIGURES] for s in of[0]] for of in (found_rows, rows))
    assert len(steps) == len(others)
    for i, (step, other) in enumerate(zip(steps, others, strict=True)):
        assert step == pytest.approx(other, rel=1e-3 if i else 1e-4, abs=1e-4)
    by_rollout = [{(r.step, r.group_id, r.rollout_index): r.policy_logp for r in of[1]} for of in (found_rows, rows)]
    assert by_rollout[0] == pytest.approx(by_rollout[1], rel=2e-5, abs=1e-3)
    start, after, other = weights(checkpoint), weights(saved(found_attempt)), weights(saved(attempt))
    assert apart(after, other) < 0.02 * apart(other, start)
    states = [torch.load(saved(of, "optimizer") / OPTIMIZER_FILE, weights_only=True) for of in (found_attempt, attempt)]
    one, another = ({i: own["exp_avg"] for i, own in state["state"].items()} for state in states)
    assert apart(one, another) < 0.01 * apart(another, {i: torch.zeros_like(value) for i, value in another.items()})


def apart(one, other):
    """The norm of the difference of all tensors."""
    assert one.keys() == other.keys()
    return float(torch.stack([(one[name] - other[name]).norm() for name in one]).norm())


def test_killed_under_fsdp2_and_gone_on_under_ddp_it_ends_as_one_process_does(groups, checkpoint, tmp_path):
    killed = []

    def progress(what, done, total, **figures):
        if what == "update policy" and done == 3:
            second = sorted(multiprocessing.active_children(), key=lambda process: process.pid)[1]
            os.kill(second.pid, signal.SIGKILL)
            killed.append(time.monotonic())

    with pytest.raises(RankFailed, match=r"rank 1 of 2 was killed by SIGKILL .* goes on at the last saved step"):
        run(tmp_path / "two", groups, checkpoint, two(THREE_BATCHES, "fsdp2"), progress)
    assert time.monotonic() - killed[0] < 60
    assert multiprocessing.active_children() == []
    attempt = Attempt(Files(tmp_path / "two"), "00000/train", "key", 0, 1, {}, 0, {})
    assert (attempt.committed(1), attempt.committed(2)) == (True, False)

    reported = []

    def watched(what, done, total, **figures):
        if what == "update policy":
            reported.append((done, total))

    found = run(tmp_path / "two", groups, checkpoint, two(THREE_BATCHES, "ddp"), watched)
    assert reported == [(3, 6), (4, 6), (5, 6), (6, 6)]
    wanted = run(tmp_path / "one", groups, checkpoint, THREE_BATCHES)
    assert_close(found, wanted, checkpoint)
    old, others = (
        [(row.group_id, row.rollout_index) for row in of[0].read_shard(OldLogprobs, "old_logprobs", 0)]
        for of in (found, wanted)
    )
    assert old == others


@pytest.mark.slow
def test_fsdp2_with_an_adapter_and_recomputed_activations(groups, checkpoint, tmp_path):
    adapter = {"lora": LoraConfig(rank=4, alpha=8), "learning_rate": 1e-3, "gradient_checkpointing": True}
    one = CONFIG.model_copy(update={**adapter, "tokens_per_forward": 1})
    found = run(tmp_path / "two", groups, checkpoint, two(one, "fsdp2"))
    assert_close(found, run(tmp_path / "one", groups, checkpoint, one), checkpoint)
    assert (saved(found[0], "adapter") / "adapter_model.safetensors").is_file()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("strategy", "changes"),
    [
        ("fsdp2", {}),
        ("ddp", {"lora": LoraConfig(rank=4, alpha=8), "gradient_checkpointing": True}),
        ("ddp", {"gradient_checkpointing": True, "tokens_per_forward": 1}),
    ],
)
def test_every_way_of_saving_memory(groups, checkpoint, tmp_path, strategy, changes):
    one = CONFIG.model_copy(update=changes)
    found = run(tmp_path / "two", groups, checkpoint, two(one, strategy))
    assert_close(found, run(tmp_path / "one", groups, checkpoint, one), checkpoint)


@pytest.mark.slow
@pytest.mark.usefixtures("forgetful")
@pytest.mark.parametrize("strategy", ["ddp", "fsdp2"])
def test_bfloat16(groups, checkpoint, tmp_path, strategy):
    one = CONFIG.model_copy(update={"dtype": "bfloat16"})
    found = run(tmp_path / "two", groups, checkpoint, two(one, strategy))[1]
    wanted = run(tmp_path / "one", groups, checkpoint, one)[1]
    assert [step.kl for step in found] == pytest.approx([step.kl for step in wanted], rel=0.1, abs=1e-3)


@pytest.mark.slow
def test_what_a_rank_refuses_is_said_as_one_process_says_it(groups, checkpoint, tmp_path):
    config = two(CONFIG.model_copy(update={"lora": LoraConfig(rank=4, alpha=8)}), "ddp")
    with pytest.raises(UserError, match=r"train\.lora: the policy .* is not the reference and has no adapter"):
        run(tmp_path, groups, checkpoint, config, reference=Path(checkpoint.parent))


def at_work(folder, groups, checkpoint, started):
    """A round with two processes; `started` gets their pids after the first step."""

    def progress(what, done, total, **figures):
        if what == "update policy" and done == 1:
            started.put([process.pid for process in multiprocessing.active_children()])

    run(folder, groups, checkpoint, two(CONFIG, "ddp"), progress)


def is_alive(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def test_the_processes_end_with_the_one_that_started_them(groups, checkpoint, tmp_path):
    started = fork_server.Queue()
    parent = fork_server.Process(target=at_work, args=(tmp_path, groups, checkpoint, started))
    parent.start()
    pids = started.get(timeout=300)
    assert all(is_alive(pid) for pid in pids)
    assert len(pids) == 2
    parent.kill()
    parent.join()
    end = time.monotonic() + 60
    while any(is_alive(pid) for pid in pids) and time.monotonic() < end:
        time.sleep(0.1)
    assert not any(is_alive(pid) for pid in pids)


def test_more_processes_than_groups_of_a_step_are_refused():
    with pytest.raises(
        ValidationError, match=r"num_processes is 3, groups_per_batch 2: .* no more processes than groups"
    ):
        TrainConfig(num_processes=3, groups_per_batch=2)
