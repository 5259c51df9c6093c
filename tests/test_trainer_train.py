"""The train stage on real curated rollouts of the shipped model: tables, checkpoint, accumulation, restart."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from train_round import CONFIG, nothing, run, saved, weights

from flows.config import load_config
from storage.files import Files
from storage.probe import PROBE_FILE, read_probe
from storage.records import OldLogprobs
from storage.shards import Attempt
from trainer.config import LOSSES, GrpoConfig, RegGrpoConfig, TrainConfig
from trainer.policy import load_policy, load_processor
from trainer.policy_loss import effective_beta
from trainer.probe import measure
from trainer.replay import replay
from trainer.training import OPTIMIZER_FILE, Training, TrainInputs


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
    apart = run(tmp_path / "apart", groups, checkpoint, CONFIG.model_copy(update={"tokens_per_forward": 1}))
    at_once = run(tmp_path / "at_once", groups, checkpoint, CONFIG.model_copy(update={"tokens_per_forward": 10**6}))
    # The first step alone: from then on AdamW, which divides by the gradient's size, has made rounding into weights.
    one, other = apart[1][0], at_once[1][0]
    assert one.grad_norm == pytest.approx(other.grad_norm, rel=1e-3)
    assert one.loss == pytest.approx(other.loss, rel=1e-3)


def test_gradient_checkpointing_is_in_effect_and_changes_no_step(trained, groups, checkpoint, tmp_path):
    config = CONFIG.model_copy(update={"gradient_checkpointing": True})
    inputs = TrainInputs(groups, checkpoint, checkpoint, None, Path, lambda: tmp_path, "run", 0, 0)
    layers = Training(inputs, config, nothing).policy.model.language_model.layers
    assert all(layer.gradient_checkpointing and layer.training for layer in layers)
    _, steps, _ = run(tmp_path / "run", groups, checkpoint, config)
    assert [(s.loss, s.grad_norm) for s in steps] == [(s.loss, s.grad_norm) for s in trained[1]]


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
    assert effective_beta(config, 0.1, "mean", 20.0) == pytest.approx(0.1 * config.std_floor / 40)
    # A token-sum KL grows with the length as rho does; a token-mean rho does not.
    assert effective_beta(config, 0.1, "sum", 20.0) == pytest.approx(0.1 * config.std_floor / 2)
    mean = RegGrpoConfig(reduction="mean", std_floor=0.03)
    assert effective_beta(mean, 0.1, "mean", 20.0) == pytest.approx(0.1 * 0.03 / 2)


@pytest.fixture(scope="module")
def stored(trained):
    return trained[0].read_shard(OldLogprobs, "old_logprobs", 0)


def steps_of(groups, checkpoint, stored, **settings):
    """The steps of one round from the initial policy, from stored log-probs, writing nothing."""
    config = TrainConfig.model_validate(CONFIG.model_dump() | {"groups_per_batch": 5} | settings)
    inputs = TrainInputs(groups, checkpoint, checkpoint, None, Path, lambda: Path(), "run", 0, 0)
    return replay(inputs, config, stored, 8, lambda what, done, total, **figures: None)


# At theta = old = ref rho is 0: what is left of each loss, where that does not depend on the rewards or the responses.
ON_POLICY = {"reg_grpo": 1.0, "grpo": 0.0, "dpo": np.log(2), "online_dpo": np.log(2)}


@pytest.mark.parametrize("loss", LOSSES)
def test_a_step_with_each_loss_lowers_it_and_parts_make_the_same_step(groups, checkpoint, stored, loss):
    settings = {"loss": {"type": loss}, "kl_weight": 0.0, "learning_rate": 1e-6}
    first, second = steps_of(groups, checkpoint, stored, tokens_per_forward=400, **settings)
    if loss in ON_POLICY:  # with each group alone, as it was scored: another padding rounds rho otherwise
        alone = steps_of(groups, checkpoint, stored, tokens_per_forward=1, updates_per_batch=1, **settings)[0]
        assert alone.policy_loss == pytest.approx(ON_POLICY[loss], abs=1e-6)
    assert second.policy_loss < first.policy_loss
    at_once = steps_of(groups, checkpoint, stored, tokens_per_forward=10**6, updates_per_batch=1, **settings)[0]
    assert first.grad_norm == pytest.approx(at_once.grad_norm, rel=1e-3)
    assert first.loss == pytest.approx(at_once.loss, rel=1e-3, abs=1e-5)
    assert first.grad_norm > 0


def test_the_standard_deviation_of_a_setting_is_the_ones_of_the_advantages(groups, checkpoint, stored):
    """G = 4: sample advantages are shorter by sqrt(3 / 4), and so is GRPO's gradient on policy."""
    norms = {}
    for group_std in ("population", "sample"):
        loss = {"type": "grpo", "group_std": group_std}
        (step,) = steps_of(groups, checkpoint, stored, loss=loss, kl_weight=0.0, updates_per_batch=1)
        norms[group_std] = step.grad_norm
    assert norms["sample"] == pytest.approx(norms["population"] * 0.75**0.5, rel=1e-4)


def test_sft_and_reinforce_learn_from_equal_rewards_and_the_relative_losses_do_not(groups, checkpoint, stored):
    equal = [[replace(row, reward=1.0) for row in group] for group in groups[:2]]
    norms = {}
    for loss in ("sft", "reinforce", "reg_grpo", "grpo", "rloo", "dr_grpo", "rebel", "reward_regression"):
        (step,) = steps_of(equal, checkpoint, stored, loss={"type": loss}, kl_weight=0.0, updates_per_batch=1)
        norms[loss] = step.grad_norm
    assert {loss for loss, norm in norms.items() if norm > 1e-3} == {"sft", "reinforce"}


def test_a_vanished_group_that_is_kept_counts_in_the_divisor_and_has_its_kl(groups, checkpoint, stored):
    alone = steps_of(groups[:1], checkpoint, stored)
    flat = [replace(row, reward=1.0) for row in groups[1]]
    for tokens_per_forward in (1, 10**6):
        both = steps_of([groups[0], flat], checkpoint, stored, tokens_per_forward=tokens_per_forward)
        assert both[0].policy_loss == pytest.approx(alone[0].policy_loss / 2)
        assert both[0].grad_norm == pytest.approx(alone[0].grad_norm / 2, rel=1e-3)


def test_a_truncated_response_keeps_its_reward_and_its_place(groups, checkpoint, stored):
    """The deterministic engine's responses that ran into the limit are trained on like the others."""
    cut = [[replace(row, finish_reason="length") for row in group] for group in groups[:2]]
    assert steps_of(cut, checkpoint, stored) == steps_of(groups[:2], checkpoint, stored)


def test_the_kl_weight_moves_towards_its_target_and_is_carried(groups, checkpoint, stored, tmp_path):
    up = steps_of(groups, checkpoint, stored, kl_target=1e-9, updates_per_batch=3)
    assert [step.kl_weight for step in up] == pytest.approx([0.5, 0.49, 0.49 * 1.02])  # KL 0 at first, then above
    assert all(step.loss == pytest.approx(step.policy_loss + step.kl_weight * step.kl) for step in up)
    config = CONFIG.model_copy(update={"kl_target": 100.0})
    attempt, steps, _ = run(tmp_path / "first", groups, checkpoint, config)
    assert [step.kl_weight for step in steps] == pytest.approx([0.5 * 0.98**i for i in range(4)])
    optimizer = saved(attempt, "optimizer")
    _, later, _ = run(tmp_path / "second", groups, saved(attempt), config, reference=checkpoint, optimizer=optimizer)
    assert later[0].kl_weight == pytest.approx(0.5 * 0.98**4)
    fixed = CONFIG.model_copy(update={"kl_weight": 0.3})
    _, again, _ = run(tmp_path / "third", groups, saved(attempt), fixed, reference=checkpoint, optimizer=optimizer)
    assert {step.kl_weight for step in again} == {0.3}


@pytest.mark.parametrize("name", ["kl", "rho_std"])
def test_a_step_above_a_ceiling_is_not_taken_and_is_the_last(groups, checkpoint, stored, name):
    small = {"updates_per_batch": 4, "learning_rate": 1e-6, "kl_weight": 0.0}  # so that both grow with every step
    free = steps_of(groups, checkpoint, stored, **small)
    values = [getattr(step, name) for step in free]
    assert values[2] > values[1] > values[0]
    ceiling = (values[1] + values[2]) / 2
    stopped = steps_of(groups, checkpoint, stored, **small, **{f"max_{name}": ceiling})
    assert stopped[:2] == free[:2]
    assert len(stopped) == 3
    assert stopped[2].stopped == f"{name} is {values[2]:.4g}, train.max_{name} {ceiling:g}"
    assert replace(stopped[2], stopped=None) == free[2]


def test_a_stopped_round_leaves_the_policy_of_its_last_step(groups, checkpoint, tmp_path):
    one = CONFIG.model_copy(update={"groups_per_batch": 5, "updates_per_batch": 1})
    more = one.model_copy(update={"updates_per_batch": 4, "max_kl": 1e-9})  # the second step is above it
    wanted, _, _ = run(tmp_path / "one", groups, checkpoint, one)
    found, steps, _ = run(tmp_path / "more", groups, checkpoint, more)
    assert [step.stopped is None for step in steps] == [True, False]
    before, after = weights(saved(wanted)), weights(saved(found))
    assert all(torch.equal(before[name], after[name]) for name in before)


def test_the_mismatch_of_what_the_reference_sampled_is_measured_against_the_reference(groups, checkpoint, stored):
    """Policy version 0 sampled; the old log-probs are a later policy's."""
    moved = [replace(row, old_logps=row.old_logps - np.float32(7)) for row in stored]
    honest = [[replace(row, engine_logprobs=ref_of(stored, row)) for row in group] for group in groups]
    assert steps_of(honest, checkpoint, moved)[0].engine_mismatch_max == 0
    later = [[replace(row, policy_version=3) for row in group] for group in honest]
    assert steps_of(later, checkpoint, moved)[0].engine_mismatch_mean == pytest.approx(7, abs=1e-3)


@pytest.mark.parametrize("level", ["token", "sequence"])
def test_importance_sampling_weighs_the_step_and_logs_what_it_cut(groups, checkpoint, stored, level):
    """An engine of the trainer's own log-probs changes nothing; one that is 0.1 nats a token below it is cut."""
    settings = {"loss": {"type": "grpo"}, "kl_weight": 0.0, "updates_per_batch": 1, "importance_cap": 1.05}
    plain = steps_of(groups, checkpoint, stored, **settings)[0]
    assert plain.importance_capped is None
    settings |= {"importance_sampling": level}
    honest = [[replace(row, engine_logprobs=ref_of(stored, row)) for row in group] for group in groups]
    same = steps_of(honest, checkpoint, stored, **settings)[0]
    assert same.importance_capped == 0
    assert same.grad_norm == pytest.approx(plain.grad_norm, rel=1e-6)
    apart = [[replace(row, engine_logprobs=ref_of(stored, row) - 0.1) for row in group] for group in groups]
    cut = steps_of(apart, checkpoint, stored, **settings)[0]
    assert cut.importance_capped == 1
    assert cut.grad_norm == pytest.approx(1.05 * plain.grad_norm, rel=1e-4)


def ref_of(stored, row):
    return next(s.ref_logps for s in stored if (s.group_id, s.rollout_index) == (row.group_id, row.rollout_index))
