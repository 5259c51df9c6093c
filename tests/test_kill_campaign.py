"""The kill campaign, two dozen kills of it, and that it would notice."""

import importlib.util
import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

CAMPAIGN = Path(__file__).parents[1] / "benchmarks" / "kill_campaign.py"


@pytest.fixture
def campaign():
    spec = importlib.util.spec_from_file_location("kill_campaign", CAMPAIGN)
    module = importlib.util.module_from_spec(spec)
    environment = dict(os.environ)
    spec.loader.exec_module(module)
    yield module
    os.environ.clear()
    os.environ.update(environment)


def test_killed_two_dozen_times_the_tables_are_those_of_an_undisturbed_run(tmp_path):
    result = tmp_path / "campaign.json"
    command = [sys.executable, str(CAMPAIGN), "--quick", "--json", str(result)]
    assert subprocess.run(command, cwd=tmp_path).returncode == 0
    found = json.loads(result.read_text())
    assert found["kills"] >= 24
    assert (found["lost"], found["doubled"], found["identical"]) == (0, 0, True)
    assert all(row["kills"] >= 1 for row in found["rows"])  # with Prefect and without


def test_a_lost_row_and_a_doubled_one_are_noticed(campaign):
    rows = {"rollouts": Counter({"a": 1, "b": 1}), "curated": Counter({"c": 2})}
    disturbed = {"rollouts": Counter({"a": 2}), "curated": Counter({"c": 2})}
    assert campaign.compare(rows, disturbed) == {"lost": 1, "doubled": 1, "identical": 0}
    assert campaign.compare(disturbed, disturbed) == {"lost": 0, "doubled": 0, "identical": 1}
