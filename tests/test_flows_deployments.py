"""Rounds as deployments: a real Prefect server and worker, fired by hand and by cron, cancelled, killed, retried.

The tests share one `deepvideo serve` and run in their order: the first kills a worker with its flow run, and while
Prefect waits for the heartbeat that no longer comes, the others do their work.
"""

import os
import signal
import subprocess
import sys
import time
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

import psutil
import pytest
from served import Served
from small_run import SMALL

from storage.run import Run

LARGE = [
    *SMALL,
    "rounds=1",
    "data.num_train=200",
    "select.samples_per_round=200",
]  # a stage that lasts, to interrupt it
PREFECT = [sys.executable, "-m", "prefect", "--no-prompt"]


def fire_and_wait_for_rollout(served, name: str, run_dir: str) -> str:
    """A run that is in the middle of its rollout."""
    before = len(served.shards(run_dir, "rollout"))
    run = served.fire(name, run_dir=run_dir, config="tiny", overrides=LARGE)
    served.until(lambda: len(served.shards(run_dir, "rollout")) > before + 1, 400)
    assert served.state(run)["type"] == "RUNNING"
    return run


class Killed(NamedTuple):
    """A flow run that was killed, when, the shards it had committed, and its processes."""

    run: str
    at: float
    shards: set[Path]
    processes: list[psutil.Process]


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    found = Served(tmp_path_factory.mktemp("served"))
    yield found
    found.stop()


@pytest.fixture(scope="module")
def killed(served):
    """A `curriculum` run in mid-rollout, killed together with its worker: nobody is left to tell Prefect."""
    run = fire_and_wait_for_rollout(served, "curriculum", "runs/killed")
    mine = served.processes("prefect.engine")
    os.killpg(served.processes("worker start")[0].pid, signal.SIGKILL)
    return Killed(run, time.time(), served.shards("runs/killed", "rollout"), mine)


@pytest.fixture(scope="module")
def orphaned(served):
    """The run of the cancelled flow, continued, whose worker alone is killed."""
    before = served.shards("runs/cancelled", "rollout")
    run = fire_and_wait_for_rollout(served, "round", "runs/cancelled")
    assert before < served.shards("runs/cancelled", "rollout")  # a cancelled stage goes on where it was
    mine = served.processes("prefect.engine")
    served.processes("worker start")[0].kill()
    return Killed(run, time.time(), served.shards("runs/cancelled", "rollout"), mine)


def test_a_dead_worker_is_started_again(served, killed):
    served.until(lambda: "worker ended; started again" in served.said(), 90)
    served.until(lambda: served.processes("worker start"), 90)


def test_the_deployments_are_there_with_parameters_that_explain_themselves(served):
    found = {d["name"]: d for d in served.api("POST", "deployments/filter", json={})}
    assert set(found) == {"curriculum", "round", "stage", "evaluate", "report"}
    for deployment in found.values():
        parameters = deployment["parameter_openapi_schema"]["properties"]
        assert all(parameter["description"] for parameter in parameters.values())
        assert deployment["description"]
    assert "rollout_augmented" in str(found["stage"]["parameter_openapi_schema"])
    assert [s["active"] for s in found["round"]["schedules"]] == [False]


def test_cron_fires_the_next_round_and_a_tick_that_would_overlap_is_cancelled(served, killed):
    """The accelerator of the killed run is free again after its lease, so this also waits for that."""
    deployment = served.api("GET", "deployments/name/round/round")
    parameters = {"run_dir": "runs/cron", "config": "tiny", "overrides": SMALL}
    every_minute = {"active": True, "schedule": {"cron": "* * * * *"}, "parameters": parameters}
    schedule = served.api("POST", f"deployments/{deployment['id']}/schedules", json=[every_minute])[0]
    ticks = {"deployments": {"id": {"any_": [deployment["id"]]}}, "sort": "EXPECTED_START_TIME_ASC"}

    def started():
        return [
            run
            for run in served.api("POST", "flow_runs/filter", json=ticks)
            if run["auto_scheduled"] and run["state"]["type"] in ("RUNNING", "COMPLETED")
        ]

    served.until(started, 300)
    served.api("DELETE", f"deployments/{deployment['id']}/schedules/{schedule['id']}")
    overlapping = served.fire("round", **parameters)
    assert served.ended(overlapping)["type"] == "CANCELLED"
    state = served.ended(started()[0]["id"], 400)
    assert (state["type"], state["message"]) == ("COMPLETED", "round 0 of runs/cron is complete")


def test_rounds_by_hand_until_there_is_nothing_to_do(served):
    said = []
    for _ in range(2):
        said.append(served.ended(served.fire("round", run_dir="runs/cron", config=None))["message"])
    assert said == ["round 1 of runs/cron is complete", "nothing to do: all 2 rounds of runs/cron are complete"]


def test_another_process_at_work_cancels_the_tick_and_says_who(served):
    lock = served.folder / "runs/cron/lock"
    with subprocess.Popen(["flock", str(lock), "sleep", "600"]) as holder:
        try:
            state = served.ended(served.fire("round", run_dir="runs/cron", config=None))
        finally:
            for process in psutil.Process(holder.pid).children():
                process.kill()
            holder.kill()
    assert state["type"] == "CANCELLED"
    assert "another process works on this run" in state["message"]


def test_a_cancelled_flow_leaves_no_process_and_its_accelerator_free(served):
    run = fire_and_wait_for_rollout(served, "round", "runs/cancelled")
    mine = served.processes("prefect.engine")
    assert len(mine) == 1
    mine += mine[0].children(recursive=True)
    served.api("POST", f"flow_runs/{run}/set_state", json={"state": {"type": "CANCELLING"}})
    assert served.ended(run)["type"] == "CANCELLED"
    assert psutil.wait_procs(mine, timeout=60)[1] == []
    limits = served.api("POST", "v2/concurrency_limits/filter", json={})
    assert [limit["active_slots"] for limit in limits if limit["name"].startswith("accelerator-")] == [0]


@pytest.mark.slow
def test_a_worker_killed_alone_takes_its_flow_run_with_it(served, orphaned):
    assert psutil.wait_procs(orphaned.processes, timeout=60)[1] == []


def test_a_failed_stage_is_seen_mended_and_retried(served):
    shard = next((served.folder / "runs/cron").glob("rounds/00000/rollout/*/0/rollouts-00000-*.parquet"))
    data = bytearray(shard.read_bytes())
    data[len(data) // 2] ^= 1
    shard.write_bytes(data)
    run = served.fire("stage", run_dir="runs/cron", name="curate", round_index=0, force=True)
    state = served.ended(run)
    assert state["type"] == "FAILED"
    assert shard.name in state["message"]
    tasks = served.api("POST", "task_runs/filter", json={"flow_runs": {"id": {"any_": [run]}}})
    assert [(task["name"], task["state"]["type"]) for task in tasks] == [("curate 0", "FAILED")]
    before = served.manifests("runs/cron")
    command = [sys.executable, "-m", "flows.cli", "stage", "rollout", "--round", "0", "--force"]
    command += ["--run-dir", "runs/cron"]
    subprocess.run(command, cwd=served.folder, env=served.environment, check=True, capture_output=True)
    environment = {**served.environment, "PREFECT_API_URL": f"{served.url}/api"}
    retried = subprocess.run([*PREFECT, "flow-run", "retry", run], env=environment, capture_output=True, text=True)
    assert retried.returncode == 0, retried.stderr
    served.until(lambda: served.state(run)["type"] == "COMPLETED", 300)
    done = {path.parts[-4] for path in served.manifests("runs/cron") - before}
    assert done == {"rollout", "curate"}  # the same bytes again, so that nothing else was repeated


def test_an_evaluation_and_a_report(served):
    assert served.ended(served.fire("evaluate", run_dir="runs/cron"))["type"] == "COMPLETED"
    assert served.ended(served.fire("report", run_dir="runs/cron"))["type"] == "COMPLETED"
    assert (served.folder / "runs/cron/report.html").read_text().count("<svg") == 7


@pytest.mark.parametrize(
    ("which", "name"), [("killed", "curriculum"), pytest.param("orphaned", "round", marks=pytest.mark.slow)]
)
def test_a_killed_run_is_crashed_within_three_minutes_and_the_next_continues(served, request, which, name):
    dead = request.getfixturevalue(which)
    state = served.ended(dead.run, 180)
    assert state["type"] == "CRASHED"
    assert datetime.fromisoformat(state["timestamp"]).timestamp() - dead.at < 180  # 90 s of silence, and a busy machine
    run_dir = served.api("GET", f"flow_runs/{dead.run}")["parameters"]["run_dir"]
    state = served.ended(served.fire(name, run_dir=run_dir, config=None), 400)
    assert state["type"] == "COMPLETED"
    used = Run.open(str(served.folder / run_dir)).ledger.current("00000/rollout")
    first = {str(path.relative_to(served.folder / run_dir).parent) for path in dead.shards}
    assert first == {used.folder}  # the shards that were committed before the kill are those that count
