"""The command line as a stranger meets it: a run, an interrupt, a continuation, questions in SQL."""

import base64
import csv
import errno
import io
import json
import os
import re
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import conftest
import pyarrow.parquet as pq
import pytest
from small_run import SMALL

from flows import terminal
from flows.cli import _disk_problem, _fault

ROOT = Path(__file__).parents[1]
SETS = [part for override in SMALL for part in ("--set", override)]


def call(capfdbinary, *arguments):
    """Runs the command in this process: exit code, standard output (bytes), standard error."""
    code, out, err = conftest.call(capfdbinary, *arguments)
    return code, out, err.decode()


COUNTED = """
from flows import session
from flows.cli import main

def counted(*given, load=session.load_data):
    print("read", file=open("reads.txt", "a"))
    return load(*given)

session.load_data = counted
main()
"""
"""The command, which notes in the folder where it works each time that it reads the data."""


@pytest.fixture(scope="module")
def run_dir(tmp_path_factory):
    """A finished run, made by the command itself, with Prefect."""
    folder = tmp_path_factory.mktemp("cli") / "run"
    command = [sys.executable, "-c", COUNTED, "run", "tiny", "--run-dir", str(folder), *SETS]
    environment = {**os.environ, "PREFECT_HOME": str(folder.parent / "prefect")}
    result = subprocess.run(command, capture_output=True, text=True, cwd=folder.parent, env=environment)
    assert result.returncode == 0, result.stderr
    assert result.stderr == ""
    (folder.parent / "printed.txt").write_text(result.stdout)
    return folder


def test_a_run_prints_rounds_validation_and_what_to_try_next(run_dir):
    printed = (run_dir.parent / "printed.txt").read_text()
    assert re.search(r"Rounds", printed)
    assert len(re.findall(r"policy \d: validation accuracy 0\.\d+, 95 % interval", printed)) == 2
    assert printed.count("\n  deepvideo ") == 3
    assert f"run directory: {run_dir}" in printed


def test_a_run_reads_its_data_once_before_prefect_starts_and_in_the_flow(run_dir):
    assert (run_dir.parent / "reads.txt").read_text() == "read\n"


def test_each_round_leaves_an_artifact_with_its_numbers_and_a_picture(run_dir):
    with sqlite3.connect(run_dir.parent / "prefect" / "prefect.db") as database:
        found = dict(database.execute("select key, data from artifact where type = 'markdown'").fetchall())
    assert [key.rsplit("-", 1)[-1] for key in sorted(found)] == ["0", "1"]
    for text in found.values():
        assert "vanishing_after" in text
        picture = re.search(r"data:image/png;base64,([A-Za-z0-9+/=]+)", text)
        assert base64.b64decode(picture.group(1)).startswith(b"\x89PNG")


def test_python_that_is_too_old_is_refused(tmp_path):
    old = tmp_path / "python3"
    script = "import sys; sys.version_info = (3, 9, 1); exec(sys.argv[2])"
    old.write_text(f"#!/bin/sh\nexec {sys.executable} -c '{script}' \"$@\"\n")
    old.chmod(0o755)
    command = ["make", "-C", str(ROOT), "install", f"PYTHON={old}", f"VENV={tmp_path}/venv"]
    result = subprocess.run(command, capture_output=True, text=True)
    assert result.returncode == 2
    assert "Python 3.9 is not supported: 3.11 to 3.13 is needed" in result.stderr


def test_sql_in_each_format(capfdbinary, run_dir):
    question = "select round_index, count(*) as n, max(prompt_token_ids) as ids from rollouts group by 1 order by 1"
    _, out, _ = call(capfdbinary, "sql", question, "--run-dir", run_dir, "--format", "json")
    rows = [json.loads(line) for line in out.splitlines()]
    assert [row["round_index"] for row in rows] == [0, 1]
    _, out, _ = call(capfdbinary, "sql", question, "--run-dir", run_dir, "--format", "csv")
    assert [int(row["n"]) for row in csv.DictReader(io.StringIO(out.decode()))] == [row["n"] for row in rows]
    _, out, _ = call(capfdbinary, "sql", question, "--run-dir", run_dir, "--format", "parquet")
    assert pq.read_table(io.BytesIO(out)).column("ids").to_pylist() == [row["ids"] for row in rows]
    code, out, _ = call(capfdbinary, "sql", "select 1 as one", "--run-dir", run_dir)
    assert (code, b"one" in out) == (0, True)


def test_a_forced_stage_is_a_new_attempt_and_identical_output_makes_nothing_stale(capfdbinary, run_dir):
    _, out, _ = call(capfdbinary, "status", "--run-dir", run_dir)
    assert b"done" in out
    assert b"stale" not in out
    code, out, _ = call(capfdbinary, "stage", "rollout", "--round", "0", "--force", "--run-dir", run_dir)
    assert code == 0
    assert b"attempt 1" in out
    _, out, _ = call(capfdbinary, "status", "--run-dir", run_dir)
    assert b"stale" not in out  # the deterministic engine's output is the same, so nothing depends on anything new


def test_an_interrupted_run_continues_with_the_same_command(tmp_path):
    command = [sys.executable, "-m", "flows.cli", "run", "tiny", "--run-dir", str(tmp_path / "run"), *SETS]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=tmp_path)
    deadline = time.monotonic() + 240
    while not list((tmp_path / "run").glob("rounds/00000/rollout/*/*/manifest.json")):
        assert time.monotonic() < deadline
        assert process.poll() is None
        time.sleep(0.05)
    os.kill(process.pid, signal.SIGINT)
    out, err = process.communicate(timeout=120)
    assert process.returncode == 130, err
    assert err == "deepvideo: interrupted; nothing committed is lost: repeat the same command to continue\n"
    again = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
    assert again.returncode == 0
    assert "round 0 rollout" in out
    assert "round 0 rollout:" not in again.stdout
    assert "round 1 train: done" in again.stdout


def test_a_fault_that_no_log_can_take_is_still_one_line(monkeypatch, tmp_path):
    (tmp_path / "a file").touch()
    nowhere = tmp_path / "a file" / "deepvideo.log"
    monkeypatch.setattr(terminal, "logs", [nowhere])
    assert _fault(RuntimeError("two\nlines")) == f"fault: RuntimeError: two lines; no log can be written: {nowhere}"
    monkeypatch.setattr(terminal, "logs", [tmp_path / "deepvideo.log", nowhere])
    assert _fault(RuntimeError("x")).endswith(f"details in {tmp_path / 'deepvideo.log'}")
    assert "RuntimeError: x" in (tmp_path / "deepvideo.log").read_text()


def test_the_disk_is_blamed_only_for_what_it_did():
    denied = PermissionError(errno.EACCES, "denied", "/somewhere/file")
    assert "/somewhere/file: Permission denied; make it writable" in _disk_problem(denied)
    unrelated = ValueError("of another kind")
    unrelated.__context__ = denied  # raised while that was handled
    assert _disk_problem(unrelated) == ""
    wrapped = RuntimeError("could not save")
    wrapped.__cause__ = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "/full/file")
    assert _disk_problem(wrapped).startswith("/full/file: the disk is full")


@pytest.mark.slow
def test_a_slot_that_was_never_freed_holds_up_no_command(tmp_path):
    """What `serve` leaves in Prefect's database, and a command that was killed with the server it had started."""
    environment = {name: value for name, value in os.environ.items() if name != "PREFECT_API_URL"}
    environment |= {
        "PREFECT_HOME": str(tmp_path / "prefect"),
        "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "120",
    }
    taken = """
from prefect.client.orchestration import get_client
from flows.work import accelerator
with get_client(sync_client=True) as client:
    client.upsert_global_concurrency_limit_by_name(accelerator(), 1)
    client.increment_concurrency_slots([accelerator()], 1, "concurrency").raise_for_status()
    assert client.read_global_concurrency_limit_by_name(accelerator()).active_slots == 1
"""
    subprocess.run([sys.executable, "-c", taken], env=environment, cwd=ROOT, check=True, timeout=200)
    command = [sys.executable, "-m", "flows.cli", "run", "tiny", "--run-dir", str(tmp_path / "run"), *SETS]
    result = subprocess.run(
        [*command, "--set", "rounds=1"], env=environment, cwd=ROOT, capture_output=True, timeout=300
    )
    assert result.returncode == 0, result.stderr
