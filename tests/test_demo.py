"""The demo itself, small: `deepvideo demo` with the real vLLM, and what its tables say afterwards."""

import subprocess
import sys

import numpy as np
import pytest

from storage.noise import add_noise
from storage.query import query
from storage.run import Run
from storage.samples import local_path
from storage.video import read_video
from trainer.policy import load_policy

pytestmark = pytest.mark.timeout(900)


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    folder = tmp_path_factory.mktemp("demo") / "run"
    command = [sys.executable, "-m", "flows.cli", "demo", "--run-dir", str(folder), "--rounds", "2", "--samples", "16"]
    command += ["--set", "difficulty.min_level=0.1"]  # augment nearly everything, so that few samples show it all
    result = subprocess.run(command, capture_output=True, text=True, cwd=folder.parent)
    assert result.returncode == 0, result.stderr
    return Run.open(str(folder)), result.stdout


def rows(run, sql):
    return query(run, sql).to_pylist()


def test_it_prints_rounds_validation_and_three_commands(demo):
    _, printed = demo
    assert "vanishing" in printed
    assert printed.count("validation accuracy") == 2
    assert printed.count("by level: L1") == 2
    assert printed.count("\n  deepvideo ") == 3


def test_every_round_is_there_with_groups_of_eight(demo):
    run, _ = demo
    found = rows(
        run,
        """
        select round_index, count(*) as n, avg(reward) as r
        from rollouts where pass = 'original' group by 1 order by 1
        """,
    )
    assert [(row["round_index"], row["n"]) for row in found] == [(0, 128), (1, 128)]
    assert all(0 < row["r"] < 2 for row in found)


def test_engine_and_trainer_agree_at_every_step_of_every_round(demo):
    run, _ = demo
    steps = rows(run, "from train_steps")
    assert {row["round_index"] for row in steps} == {0, 1}
    assert max(row["engine_mismatch_max"] for row in steps) < 1e-3
    assert all(row["grad_norm"] > 0 for row in steps)
    firsts = [row for row in steps if row["step"] == 0]
    assert all(row["policy_loss"] == pytest.approx(1.0, abs=1e-3) for row in firsts)
    assert [row["kl"] > 1e-6 for row in firsts] == [False, True]  # the policy left the reference after round 0


def test_augmented_samples_have_a_control_and_their_noise_is_exact(demo):
    run, _ = demo
    augmented = rows(run, "select * from augmentations where kind <> 'none'")
    assert {row["kind"] for row in augmented} == {"noise", "hint"}
    for row in augmented:
        assert row["effect"] == pytest.approx(row["reward_after"] - row["reward_control"])
    samples = {row["sample_id"]: row for row in rows(run, "from samples")}
    for row in (row for row in augmented if row["kind"] == "noise"):
        clean = read_video(local_path(run.files, samples[row["sample_id"]]["video_path"]))
        noisy = read_video(local_path(run.files, row["video_path"]))
        assert np.array_equal(noisy.frames, add_noise(clean.frames, row["noise_sigma"], row["noise_seed"]))
    assert not rows(run, "select 1 from rollouts where pass = 'augmented' and augmentation = 'none'")


def test_hints_are_in_the_prompts_that_are_trained_on(demo):
    run, _ = demo
    found = rows(
        run,
        """
        select a.hint, c.prompt
        from augmentations a join curated c using (round_index, sample_id) where a.kind = 'hint'
        """,
    )
    assert all(row["hint"] in row["prompt"] for row in found)


def test_the_last_checkpoint_opens_with_from_pretrained(demo):
    run, _ = demo
    manifest = run.ledger.current("00001/train")
    folder = run.files.local(f"{manifest.folder}/{manifest.info['checkpoint_folder']}")
    model = load_policy(folder, trainable=False)
    assert 1e6 < sum(parameter.numel() for parameter in model.parameters()) < 3e6
