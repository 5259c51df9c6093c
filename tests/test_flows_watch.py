"""`deepvideo watch`: a real run in another process, a finished one, a killed one, one that failed, none."""

import contextlib
import io
import os
import shutil
import signal
import subprocess
import sys
import time

import pytest
from conftest import call
from rich.console import Console
from small_run import complete, fork_server

from flows.commands.watch import _watch
from flows.session import open_session
from flows.stages import run_stage
from flows.watch import Watcher
from flows.watch_view import farewell, line, who
from storage.files import Files
from storage.lock import last_holder, lock_holder, run_lock
from storage.progress import Note, read_now
from storage.query import query
from storage.run import Run

START_SECONDS = 120


def started(folder, config, pattern):
    """A process at work on a run, once something that fits `pattern` is there."""
    process = fork_server.Process(target=complete, args=(folder, config))
    process.start()
    deadline = time.monotonic() + START_SECONDS
    while not list(folder.glob(pattern)):
        assert process.exitcode is None
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return process


def test_a_run_in_another_process_is_followed_to_its_end_and_is_not_disturbed(tmp_path, small_config):
    folder = tmp_path / "run"
    process = started(folder, small_config, "settings/00000.json")
    looks = list(Watcher(str(folder)).looks())
    process.join()
    assert process.exitcode == 0
    assert looks[-1].work == "complete"
    assert {look.work for look in looks[:-1]} == {"working"}
    at_work = [look for look in looks if look.holder]
    assert {look.holder["pid"] for look in at_work} == {process.pid}
    assert f"at work: process {process.pid} on" in line(at_work[0])
    assert any(look.now for look in at_work)
    rounds = [look.round_index for look in looks]
    assert rounds == sorted(rounds)
    assert farewell(looks[-1]) == "complete: all 2 rounds are complete"


def test_the_rewards_so_far_end_as_the_rounds_table_has_them(two_rounds):
    look = Watcher(str(two_rounds)).look()
    row = query(Run.open(str(two_rounds)), "from rounds where round_index = 1").to_pylist()[0]
    original = look.passes[0]
    assert (original.name, original.num_groups) == ("original", row["num_groups"])
    assert original.mean_reward == pytest.approx(row["mean_reward"])
    assert original.accuracy == pytest.approx(row["accuracy"])
    assert original.vanishing == pytest.approx(row["vanishing_before"])
    assert [p.name for p in look.passes] == ["original", "augmented", "control"]


def test_rewards_are_counted_from_the_shards_that_are_committed_so_far(unfinished):
    for name in ("rollout_augmented", "augment", "difficulty", "curate"):
        shutil.rmtree(unfinished / "rounds/00001" / name)
    next(unfinished.glob("rounds/00001/rollout/*/0/manifest.json")).unlink()
    watcher = Watcher(str(unfinished))
    assert [(p.name, p.num_groups) for p in watcher.look().passes] == [("original", 10)]
    next(unfinished.glob("rounds/00001/rollout/*/0/shard-00001.json")).unlink()
    look = watcher.look()
    assert [(p.name, p.num_groups) for p in look.passes] == [("original", 6)]
    assert look.place == "00001/rollout"


def test_a_finished_run_is_one_line_and_the_end(capfd, two_rounds):
    code, out, err = call(capfd, "watch", "--run-dir", two_rounds)
    assert (code, err) == (0, "")
    present, last = out.splitlines()
    assert present.startswith("all 2 rounds are complete; 10 original groups: mean reward ")
    assert "std of rho" in present
    assert last == "complete: all 2 rounds are complete"
    code, out, _ = call(capfd, "watch", "--run-dir", two_rounds, "--once")
    assert code == 0
    assert "Round 1 so far" in out
    assert max(map(len, out.splitlines()[1:])) <= 80


def test_a_missing_run_is_one_line_and_exit_2(capfd, tmp_path):
    code, _, err = call(capfd, "watch", "--run-dir", tmp_path)
    assert code == 2
    assert "no run is there" in err
    assert err.count("\n") == 1


def test_a_killed_run_is_said_to_have_nobody_and_what_is_next(capfd, tmp_path, small_config):
    folder = tmp_path / "run"
    process = started(folder, small_config, "rounds/00000/rollout/*/0/shard-00000.json")
    os.kill(process.pid, signal.SIGKILL)
    process.join()
    code, out, _ = call(capfd, "watch", "--run-dir", folder)
    assert code == 0
    assert "nobody is at work" in out.splitlines()[0]
    assert out.splitlines()[-1].startswith("nobody works on this run; next: 00000/")
    assert out.endswith("`deepvideo run` continues it\n")


def test_a_failed_stage_is_named_with_its_reason(unfinished):
    run = Run.open(str(unfinished))
    inputs = {name: run.ledger.digest(name) for name in ("00001/curate", "00000/train", "initial_policy")}
    run.attempt("00001/train", inputs).fail("RuntimeError: out of memory")
    (unfinished / "lock").write_text("")
    look = Watcher(str(unfinished)).look()
    assert "next: 00001/train, which failed: RuntimeError: out of memory" in farewell(look)


def test_what_the_stage_reports_can_be_read_while_it_works(unfinished, small_config, console):
    with open_session(str(unfinished), small_config, console) as session:
        run_stage(session, "train", 1)
        now = read_now(session.run.files)
        assert (now.pid, now.address, now.what) == (os.getpid(), "00001/train", "update policy")
        assert {*now.figures[-1]} == {"done", "loss", "kl", "rho_std"}
        look = Watcher(str(unfinished)).look()
        assert look.now == now
        assert f"update policy {now.done} of {now.total}" in line(look)
        rows = query(look.run, "select loss from train_steps where round_index = 1 order by step").to_pylist()
        assert now.figures[0]["loss"] == rows[int(now.figures[0]["done"]) - 1]["loss"]
    assert Watcher(str(unfinished)).look().now is None  # nobody holds the run: what was written last says nothing


def test_a_process_between_two_holds_of_the_lock_is_waited_for(unfinished):
    with run_lock(Files(unfinished)):
        assert Watcher(str(unfinished)).look().work == "working"
    look = Watcher(str(unfinished)).look()
    assert look.work == "between"
    assert who(look) == "nobody holds the run; its last process is alive"
    assert lock_holder(Files(unfinished)) is None
    assert last_holder(Files(unfinished))["pid"] == os.getpid()


def test_reports_are_written_where_something_begins_else_once_a_second(tmp_path):
    note = Note(Files(tmp_path))
    assert read_now(Files(tmp_path)) is None
    note.begin("00000/rollout")
    assert read_now(Files(tmp_path)).what == ""
    note("roll out", 4, 10)
    note("roll out", 5, 10)
    assert read_now(Files(tmp_path)).done == 4
    time.sleep(1)
    note("roll out", 7, 10)
    now = read_now(Files(tmp_path))
    assert now.done == 7
    assert now.rate == pytest.approx(3, rel=0.5)  # three since the first report; what was done before has no rate
    note("another", 1, 2, loss=0.5)
    assert read_now(Files(tmp_path)).figures == [{"done": 1, "loss": 0.5}]


def test_a_terminal_shows_tables_and_then_why_it_ended(two_rounds):
    terminal = Console(file=io.StringIO(), force_terminal=True, width=80)
    _watch(str(two_rounds), False, terminal)
    text = terminal.file.getvalue()
    for said in ("all 2 rounds are complete", "Round 1 so far", "Last optimiser steps", "Rounds", "complete: all 2"):
        assert said in text


def test_ctrl_c_ends_it_quietly_with_0(unfinished):
    with run_lock(Files(unfinished)):
        command = [sys.executable, "-m", "flows.cli", "watch", "--run-dir", str(unfinished)]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        first = process.stdout.readline()
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    assert first.startswith("round 1 (0 to 1), train; 10 original groups: mean reward")
    assert f"at work: process {os.getpid()}" in first
    assert (process.returncode, out, err) == (0, "", "")


def test_ctrl_c_in_the_middle_of_a_query_ends_it_as_quietly(monkeypatch, capfd, unfinished):
    """DuckDB answers an interrupted query with a RuntimeError."""

    def rounds_table(run, last):
        with contextlib.suppress(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
        raise RuntimeError("Query interrupted")

    monkeypatch.setattr("flows.watch_view.rounds_table", rounds_table)
    assert call(capfd, "watch", "--once", "--run-dir", unfinished) == (0, "", "")
