"""The benchmark of the training step: what it counts, that TRL computes the same thing, and the whole of it, small."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import naive_step
import pytest
import torch
from peak_memory import peak_bytes
from training_step import DEVICE, VIDEO, build, build_group, trl_logprobs

from trainer.batch import collate

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"


def test_a_peak_is_what_is_held_at_once():
    size = 4_000_000

    def work():
        first = torch.ones(size // 4, device=DEVICE)
        second = first * 2
        del first
        return second * 3

    assert peak_bytes(work) == pytest.approx(2 * size, rel=0.01)


@pytest.fixture(scope="module")
def model():
    return build("small")


def test_trl_gives_the_naive_log_probs_of_a_text(model):
    """TRL takes no video: without its features, and with the positions of a text, the naive step gives its numbers."""
    batch = naive_step.collate([build_group(model.config.text_config, 48, 6, 2)], model.config, [], DEVICE)
    text = {name: batch.inputs[name] for name in ("input_ids", "attention_mask")}
    with torch.no_grad():
        theirs = trl_logprobs(model, batch)
        ours = naive_step.response_logprobs(model, replace(batch, inputs=text))
    assert theirs.shape == (2, 6)
    assert torch.allclose(ours, theirs, atol=1e-5)


@pytest.mark.parametrize("prompt", [64, 648])
def test_a_group_has_the_tokens_it_was_asked_for(model, prompt):
    group = build_group(model.config.text_config, prompt, 32, 4)
    batch = collate([group], model.config, [VIDEO], DEVICE)
    assert batch.inputs["input_ids"].shape == (1, prompt + 4 * 32)
    assert (
        int((batch.inputs["input_ids"] == VIDEO).sum())
        == len(group.visions["video"].features)
        == 16 * (prompt // 16 - 1)
    )


@pytest.mark.slow
def test_the_benchmark_runs_small(tmp_path):
    command = [
        sys.executable,
        BENCHMARKS / "training_step.py",
        "--prompt",
        "48",
        "--response",
        "4",
        "--group-size",
        "2",
    ]
    output = ["--repeats", "1", "--json", tmp_path / "rows.json"]
    done = subprocess.run([*command, *output], capture_output=True, text=True, check=True)
    found = json.loads((tmp_path / "rows.json").read_text())
    assert "speedup_over_naive" in done.stdout
    assert found["machine"]
    (row,) = found["rows"]
    assert (row["prompt"], row["response"], row["group_size"]) == (48, 4, 2)
    assert row["gradient_difference"] < 1e-5
    for way in ("naive", "shared", "trl"):
        assert row[f"{way}_seconds"] > 0
        assert row[f"{way}_peak_bytes"] > 0
    assert row["speedup_over_naive"] == pytest.approx(row["naive_seconds"] / row["shared_seconds"])
