"""The benchmarks of the augmentations: their arithmetic by hand, and both once, small."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from augmentation import effects, until, vanishing
from dose_response import monotone, responses
from interval import interval

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"


def test_an_interval_by_hand():
    mean, half = interval(np.array([1.0, 2.0, 3.0]))
    assert (mean, half) == (2.0, pytest.approx(1.96 / np.sqrt(3)))
    assert np.isnan(interval(np.array([1.0]))[1])


def test_changes_are_paired_and_a_step_the_wrong_way_is_seen():
    """Samples differ much and all lose 0.1, then all win 0.05: the pairs have no spread, so both steps are certain."""
    clean, right = np.array([0.0, 1.0, 2.0]), np.zeros(3)
    found = {("noise", 0.0): (clean, right), ("noise", 10.0): (clean - 0.1, right)}
    rows = responses(found)
    assert [row["change"] for row in rows] == [0.0, pytest.approx(-0.1)]
    assert [row["change_half"] for row in rows] == [0.0, pytest.approx(0.0, abs=1e-12)]
    assert monotone(rows) == {"noise": True}
    assert monotone(responses({**found, ("noise", 25.0): (clean - 0.05, right)})) == {"noise": False}


def test_vanishing_up_to_a_budget_by_hand():
    rows = [{"groups": 10, "live": 8, "tokens": 100.0}, {"groups": 10, "live": 4, "tokens": 100.0}]
    assert until(rows, "groups", float("inf")) == pytest.approx(0.4)
    assert until(rows, "live", 8) == pytest.approx(0.2)
    assert until(rows, "tokens", 150.0) == pytest.approx(1 - 10 / 15)
    found = vanishing({"with": rows, "without": [{"groups": 10, "live": 5, "tokens": 50.0}]})
    assert found["equal live groups"] == {"with": pytest.approx(0.2), "without": 0.5}
    assert found["equal tokens"] == {"with": pytest.approx(0.2), "without": 0.5}


def test_effects_by_level_and_in_all():
    row = {"kind": "hint", "naive": 1.0, "vanished_control": 1, "vanished_after": 0}
    found = effects([{**row, "level": 0.5, "effect": 0.0}, {**row, "level": 0.7, "effect": 1.0}])
    assert [(one["level"], one["samples"], one["effect"]) for one in found] == [
        (0.5, 1, 0),
        (0.7, 1, 1),
        ("all", 2, 0.5),
    ]


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize(("name", "names"), [("dose_response", "series"), ("augmentation", "kind")])
def test_it_runs_small(tmp_path, name, names):
    command = [sys.executable, str(BENCHMARKS / f"{name}.py"), "--quick", "--set", "engine.type=deterministic"]
    if name == "dose_response":
        command += ["--picture", str(tmp_path / "picture.svg")]
    done = subprocess.run([*command, "--json", str(tmp_path / "rows.json")], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    rows = json.loads((tmp_path / "rows.json").read_text())["rows"]
    found = {row.get(names) for row in rows}
    if name == "dose_response":
        assert found == {"noise", "mask", "cue", "hint"}
        assert (tmp_path / "picture.svg").read_text().count("<svg") == 1
        assert "monotone within error" in done.stdout
    else:
        assert {"hint", "noise"} <= found
        assert {row["measure"] for row in rows if "measure" in row} == {
            "all rounds",
            "equal live groups",
            "equal tokens",
        }
