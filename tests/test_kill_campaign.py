"""The kill campaign, two dozen kills of it, and that it would notice."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from kill_campaign import compare

CAMPAIGN = Path(__file__).parents[1] / "benchmarks" / "kill_campaign.py"


@pytest.mark.slow
def test_killed_two_dozen_times_the_tables_are_those_of_an_undisturbed_run(tmp_path):
    result = tmp_path / "campaign.json"
    command = [sys.executable, str(CAMPAIGN), "--quick", "--json", str(result)]
    assert subprocess.run(command, cwd=tmp_path).returncode == 0
    found = json.loads(result.read_text())
    assert found["kills"] >= 24
    assert (found["lost"], found["doubled"], found["identical"]) == (0, 0, True)
    assert all(row["kills"] >= 1 for row in found["rows"])  # with Prefect and without


def test_a_lost_row_and_a_doubled_one_are_noticed():
    rows = {"rollouts": ["a", "b"], "curated": ["c", "c"]}
    disturbed = {"rollouts": ["a", "a"], "curated": ["c", "c"]}
    assert compare(rows, disturbed) == {"lost": 1, "doubled": 1, "identical": 0}
    assert compare(disturbed, disturbed) == {"lost": 0, "doubled": 0, "identical": 1}
