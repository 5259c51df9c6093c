"""The embedded benchmark: its floor by hand, its means by hand, and all of its parts once, small."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from embedded_floor import chance, random_answers
from embedded_measure import Graded, means, vanishing

from storage.datasets.shapes_answers import HIDDEN, VISIBLE, plausible
from storage.records import Sample

SCRIPT = Path(__file__).parents[1] / "benchmarks" / "embedded.py"
LETTER = Sample("a", "v", "Which?", "B", "multiple_choice", ("up", "down", "left", "right"), task_level="L1")
NUMBER = Sample("b", "v", "How many red ones are there?", "3", "number", task_level="L1")
WORD = Sample("c", "v", "What shape is red?", "cross", "short_text", task_level="L2")
START = Sample("d", "v", "When?", "0.0 to 0.5", "temporal_grounding", spans=((0.0, 0.5),), task_level="L3")
SAMPLES = (LETTER, NUMBER, WORD, START)


def test_chance_by_hand():
    """0.0 to 0.5 has an IoU of 1, 1/2 and 1/3 with the three spans that begin with it and 0 with the other six."""
    assert [row.accuracy for row in chance(SAMPLES)] == pytest.approx([1 / 4, 1 / 5, 1 / 4, 2 / 9])
    assert [row.iou for row in chance(SAMPLES)] == [None, None, None, pytest.approx((1 + 1 / 2 + 1 / 3) / 9)]


def test_random_answers_come_to_what_is_computed():
    found = random_answers(SAMPLES, np.random.default_rng(0), repeats=4000)
    computed = {row.sample_id: row for row in chance(SAMPLES)}
    for sample in SAMPLES:
        rewards = [row.reward for row in found if row.sample_id == sample.sample_id]
        assert np.mean(rewards) == pytest.approx(computed[sample.sample_id].reward, abs=0.05)


def test_the_truth_is_among_the_plausible_answers():
    assert all(sample.answer in plausible(sample) for sample in SAMPLES)
    assert len(VISIBLE) == len(set(VISIBLE)) == len(set(HIDDEN)) == 9
    assert "0.0 to 0.5, 1.5 to 2.0" in HIDDEN


def test_means_and_vanishing_by_hand():
    rows = [
        Graded("s0", "L1", "number", 2.0, 1.0, 1.0, None),
        Graded("s0", "L1", "number", 1.0, 0.0, 1.0, None),
        Graded("s1", "L3", "temporal_grounding", 2.5, 1.0, 1.0, 0.5),
        Graded("s1", "L3", "temporal_grounding", 2.5, 1.0, 1.0, 0.5),
    ]
    found = {(row["task_level"], row["problem_type"]): row for row in means(rows)}
    assert (found["L1", "number"]["accuracy"], found["L1", "number"]["iou"]) == (0.5, None)
    assert (found["all", "all"]["accuracy"], found["all", "all"]["iou"]) == (0.75, 0.5)
    assert found["all", "temporal_grounding"]["responses"] == 2
    assert vanishing(rows) == 0.5


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_every_part_is_measured_at_every_level(tmp_path):
    result = tmp_path / "embedded.json"
    command = [sys.executable, str(SCRIPT), "--quick", "--set", "engine.type=deterministic", "--json", str(result)]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    found = json.loads(result.read_text())
    assert found["version"] == 3
    parts = {row["what"].split(",")[0] for row in found["rows"]}
    assert parts == {"floor", "warm", "ceiling", "lift"}
    for part in parts:
        assert {row["task_level"] for row in found["rows"] if row["what"].startswith(part)} == {"L1", "L2", "L3", "all"}
    trained = [row for row in found["rows"] if row["what"].startswith(("lift, grpo", "lift, reg_grpo"))]
    assert trained
    assert all(row["seconds"] > 0 and len(row["curve"]) == 1 for row in trained)
