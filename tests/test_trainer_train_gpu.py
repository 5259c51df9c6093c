"""The train stage on a GPU against the same round on the CPU; test_trainer_train.py says what a round is."""

import numpy as np
import pytest
import torch
from accelerate.state import AcceleratorState
from train_round import CONFIG, run, saved, weights

from storage.errors import UserError
from storage.records import OldLogprobs
from trainer.config import LoraConfig

pytestmark = [pytest.mark.gpu, pytest.mark.usefixtures("forgetful")]
ON_POLICY = {"updates_per_batch": 1}
"""The first step alone of each batch: AdamW divides by the gradient's size and makes rounding into weights."""


@pytest.fixture(scope="module")
def on_cpu(groups, checkpoint, tmp_path_factory):
    """A round in float32 on the CPU: the attempt, its steps, its rollouts."""
    AcceleratorState._reset_state(reset_partial_state=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ACCELERATE_USE_CPU", "true")
        return run(tmp_path_factory.mktemp("cpu"), groups, checkpoint)


def stored(attempt):
    return attempt.read_shard(OldLogprobs, "old_logprobs", 0)


def distance(found, expected):
    """The largest and the mean |difference| of the old log-probs of two rounds."""
    pairs = zip(stored(found), stored(expected), strict=True)
    gaps = np.concatenate([np.abs(one.old_logps - other.old_logps) for one, other in pairs])
    return gaps.max(), gaps.mean()


def test_a_round_in_float32_is_the_cpus(groups, checkpoint, on_cpu, tmp_path):
    before = torch.cuda.memory_allocated()
    torch.cuda.reset_peak_memory_stats()
    attempt, steps, _ = run(tmp_path, groups, checkpoint)
    assert torch.cuda.max_memory_allocated() - before > 3 * sum(w.nbytes for w in weights(checkpoint).values())
    largest, mean = distance(attempt, on_cpu[0])
    assert largest < 1e-2  # cuDNN rounds the encoder's convolution to TF32
    assert mean < 1e-3
    assert [step.step for step in steps] == [step.step for step in on_cpu[1]]
    assert steps[0].kl == pytest.approx(0.0, abs=1e-9)
    assert steps[0].grad_norm == pytest.approx(on_cpu[1][0].grad_norm, rel=1e-2)
    assert [step.policy_loss for step in steps] == pytest.approx([step.policy_loss for step in on_cpu[1]], abs=5e-2)
    trained, expected, old = weights(saved(attempt)), weights(saved(on_cpu[0])), weights(checkpoint)
    moved = torch.cat([(expected[name] - old[name]).flatten() for name in old])
    apart = torch.cat([(trained[name] - expected[name]).flatten() for name in old])
    assert apart.norm() < 0.2 * moved.norm()
    assert all(torch.equal(trained[name], old[name]) for name in old if "visual" in name)


def test_a_round_in_bfloat16_stays_near(groups, checkpoint, on_cpu, tmp_path):
    attempt, steps, _ = run(tmp_path, groups, checkpoint, CONFIG.model_copy(update={"dtype": "bfloat16"} | ON_POLICY))
    _, mean = distance(attempt, on_cpu[0])
    assert 1e-5 < mean < 0.05
    assert steps[0].grad_norm == pytest.approx(on_cpu[1][0].grad_norm, rel=0.1)
    assert {w.dtype for w in weights(saved(attempt)).values()} == {torch.float32}


def test_an_adapter_that_is_off_is_the_reference(groups, checkpoint, tmp_path):
    config = CONFIG.model_copy(update={"lora": LoraConfig(rank=4, alpha=8), "dtype": "bfloat16"})
    attempt, steps, _ = run(tmp_path, groups, checkpoint, config)
    assert all(np.array_equal(row.old_logps, row.ref_logps) for row in stored(attempt))
    assert steps[1].kl > 0


def test_recomputed_activations_are_the_same_step_in_less_memory(groups, checkpoint, tmp_path):
    steps, peaks = {}, {}
    for recompute in (False, True):
        config = CONFIG.model_copy(update={"gradient_checkpointing": recompute} | ON_POLICY)
        torch.cuda.reset_peak_memory_stats()
        steps[recompute] = run(tmp_path / str(recompute), groups, checkpoint, config)[1][0]
        peaks[recompute] = torch.cuda.max_memory_allocated()
    assert steps[True].grad_norm == pytest.approx(steps[False].grad_norm, rel=1e-3)
    assert peaks[True] < peaks[False]


def test_more_processes_than_devices_are_refused(groups, checkpoint, tmp_path):
    wanted = torch.cuda.device_count() + 1
    with pytest.raises(UserError, match="each process needs one of its own"):
        run(tmp_path, groups, checkpoint, CONFIG.model_copy(update={"num_processes": wanted}))
