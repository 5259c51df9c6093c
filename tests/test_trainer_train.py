"""The train stage on real curated rollouts of the shipped model: tables, checkpoint, accumulation, restart."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from flows.config import load_config
from stages.deterministic_engine import DeterministicEngine
from stages.rollout import Query, Scene, roll_out
from storage.datasets import shapes
from storage.files import Files
from storage.probe import PROBE_FILE, read_probe
from storage.records import OldLogprobs, TrainRollout, TrainStep
from storage.shards import Attempt
from trainer.config import GrpoConfig, TrainConfig
from trainer.policy import load_policy, load_processor
from trainer.policy_loss import effective_beta
from trainer.probe import measure
from trainer.train import train
from trainer.updates import OPTIMIZER_FILE, TrainInputs

CONFIG = TrainConfig(learning_rate=1e-4, groups_per_batch=4, updates_per_batch=2, dtype="float32", kl_weight=0.5)


@pytest.fixture(scope="module")
def groups(checkpoint, tmp_path_factory):
    """Groups with unequal rewards, four responses each."""
    root = tmp_path_factory.mktemp("shapes")
    shapes.generate(root, seed=9, num_train=48, num_validation=0)
    config = load_config("tiny", ["rollout.group_size=4"])
    engine = DeterministicEngine(config.video, checkpoint)
    scene = Scene("run", 0, "rollout", 0, 0, engine, load_processor(checkpoint), config.video, config.rewards, Path)
    queries = [Query(s, "original", i, s.video_path, None) for i, s in enumerate(shapes.load(root))]
    rows, _ = roll_out(queries, config.rollout, scene)
    found = [rows[i : i + 4] for i in range(0, len(rows), 4)]
    live = [group for group in found if len({row.reward for row in group}) > 1]
    assert len(live) >= 5
    return live[:5]


def run(folder, groups, checkpoint, config=CONFIG, **changes):
    """Trains one round; returns the attempt and its rows."""
    files = Files(folder)
    attempt = Attempt(files, "00000/train", "key", 0, 1, {}, 0, {})
    inputs = TrainInputs(groups, checkpoint, checkpoint, None, Path, files.scratch, "run", 0, 0)
    assert train(attempt, replace(inputs, **changes), config, lambda what, done, total, **figures: None) == 2
    steps = attempt.read_shard(TrainStep, "train_steps", 1)
    return attempt, steps, attempt.read_shard(TrainRollout, "train_rollouts", 1)


def saved(attempt, name="checkpoint"):
    return attempt.files.local(f"{attempt.folder}/{attempt.info[name + '_folder']}")


def weights(folder):
    return {name: value.clone() for name, value in load_policy(folder, trainable=False).state_dict().items()}


@pytest.fixture(scope="module")
def trained(groups, checkpoint, tmp_path_factory):
    return run(tmp_path_factory.mktemp("train"), groups, checkpoint)


def test_steps_are_batches_times_updates(trained):
    _, steps, rollouts = trained
    assert [(s.step, s.batch_index, s.update_index, s.num_groups) for s in steps] == [
        (0, 0, 0, 4),
        (1, 0, 1, 4),
        (2, 1, 0, 1),
        (3, 1, 1, 1),
    ]
    assert len(rollouts) == 2 * 5 * 4


def test_the_first_update_is_on_policy_where_the_loss_is_one_and_the_kl_zero(trained):
    _, steps, rollouts = trained
    assert steps[0].policy_loss == pytest.approx(1.0, abs=1e-4)  # Ahat = 0, and A has variance 1
    assert steps[0].kl == pytest.approx(0.0, abs=1e-9)
    assert steps[0].rho_std < 1e-5
    assert steps[1].rho_std > 1e-4
    assert steps[1].kl > 0
    assert all(s.loss == pytest.approx(s.policy_loss + 0.5 * s.kl) for s in steps)
    first = [row for row in rollouts if row.step == 0]
    assert all(row.policy_logp == pytest.approx(row.old_logp, abs=1e-4) for row in first)


def test_advantages_are_normalised_in_each_group(trained):
    _, _, rollouts = trained
    for group_id in {row.group_id for row in rollouts}:
        values = np.array([row.advantage for row in rollouts if row.group_id == group_id and row.step in (0, 2)])
        assert values.mean() == pytest.approx(0, abs=1e-6)
        assert values.std() == pytest.approx(1, abs=1e-6)


def test_old_log_probs_are_the_trainers_and_at_first_the_references(trained):
    attempt, steps, _ = trained
    rows = attempt.read_shard(OldLogprobs, "old_logprobs", 0)
    assert all(np.allclose(row.old_logps, row.ref_logps, atol=1e-6) for row in rows)
    assert steps[0].engine_mismatch_mean > 1  # the deterministic engine's log-probs say nothing of the policy


def test_the_checkpoint_is_an_ordinary_one_with_the_encoder_as_it_was(trained, checkpoint):
    attempt, _, _ = trained
    folder = saved(attempt)
    before, after = weights(checkpoint), weights(folder)
    assert all(torch.equal(before[name], after[name]) for name in before if "visual" in name)
    assert any(not torch.equal(before[name], after[name]) for name in before if "visual" not in name)
    ordinary = {path.name for path in checkpoint.iterdir()}
    assert {path.name for path in folder.iterdir()} == ordinary
    probe = read_probe(folder / PROBE_FILE)
    again = measure(load_policy(folder, trainable=False), load_processor(folder))
    assert np.allclose(np.concatenate(again), np.concatenate(probe.logprobs), atol=1e-5)
    assert not np.allclose(np.concatenate(probe.previous_logprobs), np.concatenate(probe.logprobs), atol=1e-4)


def test_accumulated_gradients_are_the_big_batchs(groups, checkpoint, tmp_path):
    apart = run(tmp_path / "apart", groups, checkpoint, CONFIG.model_copy(update={"groups_per_forward": 1}))
    at_once = run(tmp_path / "at_once", groups, checkpoint, CONFIG.model_copy(update={"groups_per_forward": 4}))
    # The first step alone: from then on AdamW, which divides by the gradient's size, has made rounding into weights.
    one, other = apart[1][0], at_once[1][0]
    assert one.grad_norm == pytest.approx(other.grad_norm, rel=1e-3)
    assert one.loss == pytest.approx(other.loss, rel=1e-3)


def test_a_restart_reads_the_stored_old_log_probs_and_ends_the_same(trained, groups, checkpoint, tmp_path):
    """The first shard of a killed attempt is there already, with values that a fresh pass would not give."""
    attempt, steps, _ = trained
    rows = attempt.read_shard(OldLogprobs, "old_logprobs", 0)
    shifted = [replace(row, old_logps=row.old_logps + np.float32(0.25 * (row.rollout_index - 1.5))) for row in rows]
    for name, stored, same in (("same", rows, True), ("shifted", shifted, False)):
        files = Files(tmp_path / name)
        Attempt(files, "00000/train", "key", 0, 1, {}, 0, {}).write(0, {"old_logprobs": stored})
        _, again, _ = run(tmp_path / name, groups, checkpoint)
        assert (again == steps) is same
        assert (again[0].rho_std > 0.1) is not same


def test_nothing_to_train_on_leaves_the_policy_as_it_is(checkpoint, tmp_path):
    attempt, steps, rollouts = run(tmp_path, [], checkpoint)
    assert (steps, rollouts) == ([], [])
    before, after = weights(checkpoint), weights(saved(attempt))
    assert all(torch.equal(before[name], after[name]) for name in before)


def test_grpo_by_a_setting(groups, checkpoint, tmp_path):
    config = CONFIG.model_copy(update={"loss": GrpoConfig()})
    _, steps, _ = run(tmp_path, groups, checkpoint, config)
    assert steps[0].policy_loss == pytest.approx(0.0, abs=1e-5)  # ratio 1, advantages of mean 0
    assert steps[0].effective_beta is None
    assert steps[0].grad_norm > 0


def test_the_optimisers_state_is_carried(trained, groups, checkpoint, tmp_path):
    attempt, _, _ = trained
    optimizer = saved(attempt, "optimizer")
    assert (optimizer / OPTIMIZER_FILE).is_file()
    _, fresh, _ = run(tmp_path / "fresh", groups, saved(attempt), reference=checkpoint)
    _, carried, _ = run(tmp_path / "carried", groups, saved(attempt), reference=checkpoint, optimizer=optimizer)
    assert fresh[0].loss == carried[0].loss  # the same start
    assert fresh[1].loss != carried[1].loss  # another step
    assert fresh[0].kl > 0  # the reference is still the initial policy


def test_effective_beta_is_the_formula_of_method():
    config = load_config("tiny").train.loss
    assert effective_beta(config, 0.1, 20.0) == pytest.approx(0.1 * config.std_floor / 40)
