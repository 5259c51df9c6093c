"""A run's identity, its settings over time, and the lock that lets one process write."""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
import sys
import uuid
from pathlib import Path
from typing import Any

import pytest

from storage import layout, schema
from storage.errors import UserError
from storage.files import Files
from storage.lock import run_lock
from storage.run import Identity, Run, Settings
from storage.shards import parquet_table
from storage.staleness import StageSettings

IDENTITY = Identity(data="d" * 64, initial_policy="p" * 64, seed=7)
SELECT, ROLLOUT = layout.address(0, "select"), layout.address(0, "rollout")

HOLD = """
import sys
from storage.files import Files
from storage.lock import run_lock

with run_lock(Files(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.readline()
"""


def settings(size: Any = 64, rounds: int = 3, version: int = 1) -> Settings:
    stages = {"select": StageSettings(version, {"size": size}), "rollout": StageSettings(1, {"group": 8})}
    return Settings({"rounds": rounds, "select": {"size": size}}, stages)


def do(run: Run, place: str, *names: str) -> None:
    run.commit(run.attempt(place, {name: str(run.ledger.digest(name)) for name in names}), 0, {})


def started(url: str) -> Run:
    """A run with both stages done."""
    run = Run.create(url, IDENTITY, settings())
    do(run, SELECT, "data")
    do(run, ROLLOUT, SELECT, "initial_policy")
    return run


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture(params=["local", "memory"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return str(tmp_path / "run") if request.param == "local" else f"memory://{uuid.uuid4().hex}/run"


# Identity


def test_a_run_is_opened_as_it_was_created(url: str) -> None:
    created = started(url)
    opened = Run.open(url)
    assert (opened.identity, opened.settings) == (IDENTITY, settings())
    assert opened.ledger.manifests() == created.ledger.manifests()
    assert len(opened.ledger.manifests()) == 2


@pytest.mark.parametrize(("field", "value"), [("data", "e" * 64), ("initial_policy", "q" * 64), ("seed", 8)])
def test_another_identity_is_refused_by_field_and_changes_nothing(tmp_path: Path, field: str, value: object) -> None:
    url = str(tmp_path / "run")
    started(url)
    before = contents(tmp_path)
    other = dataclasses.replace(IDENTITY, **{field: value})
    with pytest.raises(UserError, match=rf"{url}: holds another run \(its {field} differ\).*--run-dir"):
        Run.create(url, other, settings(size=128), accept_changes=True)
    assert contents(tmp_path) == before


def test_every_differing_field_is_named(tmp_path: Path) -> None:
    Run.create(str(tmp_path), IDENTITY, settings())
    with pytest.raises(UserError, match="its data, seed differ"):
        Run.create(str(tmp_path), Identity("e", IDENTITY.initial_policy, 8), settings())


def test_the_run_id_depends_on_every_field_and_on_nothing_else() -> None:
    others = [Identity("e", "p", 7), Identity("d", "q", 7), Identity("d", "p", 8), Identity("p", "d", 7)]
    assert len({Identity("d", "p", 7).run_id, *(other.run_id for other in others)}) == 5
    assert Identity("d", "p", 7).run_id == Identity("d", "p", 7).run_id


def test_a_folder_without_a_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"run\.json is missing.*deepvideo run"):
        Run.open(str(tmp_path))


def test_a_run_whose_first_process_died_at_once_is_no_run_yet_and_can_be_started_again(tmp_path: Path) -> None:
    Run.create(str(tmp_path), IDENTITY, settings())
    (tmp_path / "settings/00000.json").unlink()
    with pytest.raises(UserError, match="settings is missing"):
        Run.open(str(tmp_path))
    assert Run.create(str(tmp_path), IDENTITY, settings()).settings == settings()
    assert Run.open(str(tmp_path)).settings == settings()


def test_a_new_run_holds_an_empty_table_of_each_kind(url: str) -> None:
    run = Run.create(url, IDENTITY, settings())
    for table, record in schema.TABLES.items():
        found = parquet_table(run.files.read(layout.empty_table(table)))
        assert found.num_rows == 0
        assert found.schema.equals(schema.schema(record))


# Settings


def test_changing_nothing_is_free_and_writes_nothing(tmp_path: Path) -> None:
    started(str(tmp_path))
    before = contents(tmp_path)
    run = Run.create(str(tmp_path), IDENTITY, settings())
    assert contents(tmp_path) == before
    assert run.ledger.current(ROLLOUT) is not None


def test_more_rounds_are_free(url: str) -> None:
    started(url)
    run = Run.create(url, IDENTITY, settings(rounds=30))
    assert run.ledger.current(SELECT) is not None
    assert run.ledger.current(ROLLOUT) is not None
    assert Run.open(url).settings.config["rounds"] == 30


@pytest.mark.parametrize("change", [{"size": 128}, {"version": 2}])
def test_changed_settings_list_what_becomes_stale_and_change_nothing_unless_accepted(
    tmp_path: Path, change: dict[str, int]
) -> None:
    url = str(tmp_path)
    started(url)
    before = contents(tmp_path)
    with pytest.raises(UserError, match=rf"2 completed stages stale \({SELECT[:5]}/rollout, {SELECT}\).*--accept-ch"):
        Run.create(url, IDENTITY, settings(**change))
    assert contents(tmp_path) == before
    run = Run.create(url, IDENTITY, settings(**change), accept_changes=True)
    assert run.ledger.current(SELECT) is None
    assert run.ledger.state(ROLLOUT) == ("stale", "")
    assert contents(tmp_path).items() > before.items()


def test_only_the_stages_that_depend_on_a_change_are_listed(url: str) -> None:
    run = started(url)
    changed = Settings({}, {**settings().stages, "rollout": StageSettings(1, {"group": 16})})
    assert run.made_stale_by(changed) == [ROLLOUT]
    assert run.made_stale_by(settings()) == []


def test_a_change_that_touches_no_completed_stage_needs_no_consent(url: str) -> None:
    run = Run.create(url, IDENTITY, settings())
    run.attempt(SELECT, {"data": IDENTITY.data}).write(0, {"selected": []})  # started, not completed
    assert Run.create(url, IDENTITY, settings(size=128)).settings == settings(size=128)


def test_every_change_is_kept_and_the_latest_counts(url: str) -> None:
    for size in (64, 128, 128, 64, 256):
        Run.create(url, IDENTITY, settings(size=size), accept_changes=True)
    files = Files(url)
    names = files.names(layout.SETTINGS)
    assert names == ["00000.json", "00001.json", "00002.json", "00003.json"]
    history = [json.loads(files.read(f"{layout.SETTINGS}/{name}"))["config"]["select"]["size"] for name in names]
    assert history == [64, 128, 64, 256]
    assert Run.open(url).settings == settings(size=256)


def test_settings_that_json_writes_otherwise_are_the_same_settings(url: str) -> None:
    """A tuple comes back as a list; neither the run nor its stages may take that for a change."""
    run = Run.create(url, IDENTITY, settings(size=(0.9, 0.95)))
    do(run, SELECT, "data")
    assert run.ledger.current(SELECT) is not None
    again = Run.create(url, IDENTITY, settings(size=(0.9, 0.95)))
    assert again.ledger.current(SELECT) is not None
    assert again.files.names(layout.SETTINGS) == ["00000.json"]


# The lock


def hold(root: Path) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(root)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    return process


def test_a_second_process_is_refused_with_the_pid_of_the_first_and_a_killed_one_lets_go(tmp_path: Path) -> None:
    holder = hold(tmp_path)
    for _ in range(2):
        with pytest.raises(UserError, match=rf'{tmp_path}: another process.*"pid": {holder.pid}\b.*--run-dir'):
            run_lock(Files(tmp_path)).__enter__()
    holder.kill()
    holder.communicate()
    with run_lock(Files(tmp_path)):
        assert json.loads((tmp_path / layout.LOCK).read_text())["pid"] == os.getpid()


def test_a_process_that_ends_lets_go(tmp_path: Path) -> None:
    holder = hold(tmp_path)
    holder.communicate("\n")
    assert holder.returncode == 0
    with run_lock(Files(tmp_path)):
        pass
    hold(tmp_path).communicate("\n")


def fail_under_lock(files: Files) -> None:
    with run_lock(files):
        with pytest.raises(UserError, match=f'"pid": {os.getpid()}'):
            run_lock(files).__enter__()
        raise KeyError


def test_the_lock_is_held_within_and_let_go_after_an_error(tmp_path: Path) -> None:
    with pytest.raises(KeyError):
        fail_under_lock(Files(tmp_path))
    with run_lock(Files(tmp_path)):
        pass


def test_two_runs_have_two_locks(tmp_path: Path) -> None:
    with run_lock(Files(tmp_path / "one")), run_lock(Files(tmp_path / "two")):
        assert (tmp_path / "one" / layout.LOCK).exists()
        assert (tmp_path / "two" / layout.LOCK).exists()


def test_an_object_store_has_no_lock() -> None:
    files = Files(f"memory://{uuid.uuid4().hex}/run")
    with run_lock(files), run_lock(files):
        assert not files.exists(layout.LOCK)
