"""Attempts that are killed, doubled, damaged or repeated: what is committed stays, and is found once."""

from __future__ import annotations

import dataclasses
import json
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from storage import layout
from storage.digest import sha256_bytes
from storage.errors import DamagedRun
from storage.files import Files
from storage.records import Dropped, HintTrace
from storage.run import Identity, Run, Settings
from storage.shards import Attempt, Manifest, parquet_bytes, read_manifest, read_records, stage_key
from storage.staleness import StageSettings

ADDRESS, KEY = "00000/rollout", "0123456789abcdef"
NUM_SHARDS, ROWS = 30, 5

# The other process. It writes shards that the test can compute, and says so; `hook` is run before each create.
WORK = """
import os, signal, sys, time
from storage.files import Files
from storage.records import Dropped, HintTrace
from storage.shards import Attempt

class Watched(Files):
    hook = staticmethod(lambda: None)

    def create(self, path, data):
        self.hook()
        return super().create(path, data)

def tables(i, rows, writer=""):
    traces = [HintTrace("run", 0, f"s{i}-{j}", j, f"{writer}response {i} {j} " * 20, i + j / 8, True, j == 0)
              for j in range(rows)]
    return {"hint_traces": traces, "dropped": [Dropped("run", 0, "rollout", None, f"d{i}", "reason", writer)]}

def attempt(root, hook=lambda: None):
    files = Watched(root)
    files.hook = hook
    return Attempt(files, "00000/rollout", "0123456789abcdef", 0, 1, {"size": 5}, 7, {"data": "d"})

def work(root, num_shards, rows, hook=lambda: None, seconds=0.0):
    a = attempt(root, hook)
    print("started", flush=True)
    for i in range(num_shards):
        if not a.committed(i):
            time.sleep(seconds)
            a.write(i, tables(i, rows))
            print(i, flush=True)
    print(a.commit(num_shards, {}).digest, flush=True)
"""

SLOW = WORK + "\nwork(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), seconds=0.008)"

# Kills itself before its n-th write, for every n, each time in a new process and a new folder; then finishes the work.
EVERY_STEP = (
    WORK
    + """
def dying(step):
    left = [step]
    def hook():
        if left[0] == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        left[0] -= 1
    return hook

def in_child(function):
    pid = os.fork()
    if pid == 0:
        function()
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])

step, code = 0, -signal.SIGKILL
while code:
    root = f"{sys.argv[1]}/{step:03d}"
    code = in_child(lambda: work(root, 3, 2, dying(step)))
    assert in_child(lambda: work(root, 3, 2)) == 0
    step += 1
"""
)

# Writes every shard without looking, from one end or the other, as soon as both writers are ready.
CONTEND = (
    WORK
    + """
root, writer, num_shards, rows = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
a = attempt(root)
a.files.create(f"ready/{writer}", b"")
while len(a.files.names("ready")) < 2:
    pass
order = range(num_shards)
for i in order if writer == "A" else reversed(order):
    a.write(i, tables(i, rows, writer))
    time.sleep(0.1)  # long enough for the other one, however busy the machine
a.commit(num_shards, {"writer": writer})
"""
)


def start(script: str, *arguments: object) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", script, *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def traces(i: int, rows: int, writer: str = "") -> list[HintTrace]:
    """What `tables` of the other process writes into shard `i`."""
    text = f"{writer}response {i} {{}} "
    return [HintTrace("run", 0, f"s{i}-{j}", j, text.format(j) * 20, i + j / 8, True, j == 0) for j in range(rows)]


def dropped(i: int, writer: str = "") -> Dropped:
    return Dropped("run", 0, "rollout", None, f"d{i}", "reason", writer)


def attempt(root: Path, number: int = 0) -> Attempt:
    return Attempt(Files(root), ADDRESS, KEY, number, 1, {"size": 5}, 7, {"data": "d"})


def finished(root: Path, num_shards: int = NUM_SHARDS, rows: int = ROWS) -> Manifest:
    """The manifest of an undisturbed attempt."""
    a = attempt(root)
    for i in range(num_shards):
        a.write(i, {"hint_traces": traces(i, rows), "dropped": [dropped(i)]})
    return a.commit(num_shards, {})


def assert_whole(root: Path, manifest: Manifest, num_shards: int, rows: int) -> None:
    """Every row is there, once, in order."""
    expected = [row for i in range(num_shards) for row in traces(i, rows)]
    assert list(read_records(Files(root), HintTrace, "hint_traces", manifest)) == expected
    assert list(read_records(Files(root), Dropped, "dropped", manifest)) == [dropped(i) for i in range(num_shards)]
    assert (manifest.rows("hint_traces"), manifest.rows("dropped")) == (len(expected), num_shards)


def shard_file(root: Path, manifest: Manifest, index: int = 0) -> Path:
    return root / manifest.table_files("hint_traces")[index]


def read_all(root: Path, manifest: Manifest) -> list[HintTrace]:
    return list(read_records(Files(root), HintTrace, "hint_traces", manifest))


# Killed


def test_an_attempt_killed_at_random_instants_ends_as_if_undisturbed(tmp_path: Path) -> None:
    undisturbed = finished(tmp_path / "calm")
    root, chance, kept = tmp_path / "killed", random.Random(3), dict[str, bytes]()
    folder = root / undisturbed.folder
    num_killed = 0
    for num_lines in (2, 4, 1, 3, 100):  # "started", then the shards of this life; the last one is left to finish
        process = start(SLOW, root, NUM_SHARDS, ROWS)
        assert process.stdout is not None
        said = [line.strip() for line in (process.stdout.readline() for _ in range(num_lines)) if line]
        time.sleep(chance.uniform(0.0, 0.012))
        process.kill()
        process.communicate()
        num_killed += process.returncode == -signal.SIGKILL
        found = {path.name: path.read_bytes() for path in folder.glob("shard-*.json")}
        assert found.items() >= kept.items()
        done = [line for line in said if line.isdigit()]
        assert not {layout.sidecar_name(int(i)) for i in done} & kept.keys()  # what was committed is not done again
        assert {layout.sidecar_name(int(i)) for i in done} <= found.keys()
        kept = found
    assert num_killed >= 3
    assert said[-1] == undisturbed.digest
    manifest = read_manifest(Files(root), undisturbed.folder)
    assert manifest.digest == undisturbed.digest
    assert_whole(root, manifest, NUM_SHARDS, ROWS)


def test_an_attempt_killed_before_any_of_its_writes_ends_as_if_undisturbed(tmp_path: Path) -> None:
    undisturbed = finished(tmp_path / "calm", 3, 2)
    process = start(EVERY_STEP, tmp_path / "killed")
    said = process.communicate()[0].split()
    assert process.returncode == 0
    roots = sorted((tmp_path / "killed").iterdir())
    assert len(roots) == 3 * 3 + 1 + 1  # two tables and a sidecar a shard, the manifest, and once to the end
    assert set(said) == {"started", "0", "1", "2", undisturbed.digest}
    for root in roots:
        manifest = read_manifest(Files(root), undisturbed.folder)
        assert manifest.digest == undisturbed.digest
        assert_whole(root, manifest, 3, 2)


def test_a_shard_counts_only_once_its_sidecar_is_there(tmp_path: Path) -> None:
    a = attempt(tmp_path)
    a.write(0, {"hint_traces": traces(0, 2)})
    assert a.committed(0)
    (tmp_path / a.folder / layout.sidecar_name(0)).unlink()
    assert not a.committed(0)
    assert a.files.names(a.folder)  # the table is there, and nobody reads it


def test_commit_without_one_of_its_shards_writes_no_manifest(tmp_path: Path) -> None:
    a = attempt(tmp_path)
    a.write(0, {"hint_traces": traces(0, 2)})
    with pytest.raises(FileNotFoundError, match=layout.sidecar_name(1)):
        a.commit(2, {})
    assert not a.files.exists(f"{a.folder}/{layout.MANIFEST}")


# Doubled


def test_two_processes_at_one_attempt_end_in_one_manifest_of_first_copies(tmp_path: Path) -> None:
    num_shards, rows = 24, 3
    processes = [start(CONTEND, tmp_path, writer, num_shards, rows) for writer in "AB"]
    assert [process.wait(60) for process in processes] == [0, 0]
    for process in processes:
        process.communicate()
    a = attempt(tmp_path)
    manifest = read_manifest(a.files, a.folder)
    assert manifest.shards == [a.shard(i) for i in range(num_shards)]
    winners = [a.read_shard(Dropped, "dropped", i)[0].detail for i in range(num_shards)]
    assert set(winners) == {"A", "B"}  # both were at work at once, or this test has shown nothing
    expected = [row for i, writer in enumerate(winners) for row in traces(i, rows, writer)]
    assert read_all(tmp_path, manifest) == expected
    tables = [name for name in a.files.names(a.folder) if name.endswith(".parquet")]
    assert len(tables) == 2 * 2 * num_shards  # the losers' copies lie there, listed by nobody


def test_the_first_copy_of_a_shard_and_the_first_manifest_count(tmp_path: Path) -> None:
    first, second = attempt(tmp_path), attempt(tmp_path)
    first.write(0, {"hint_traces": traces(0, 2, "first ")})
    committed = first.shard(0)
    second.write(0, {"hint_traces": traces(0, 9, "second ")})
    assert second.shard(0) == committed
    manifest = second.commit(1, {"by": "second"})
    assert first.commit(1, {"by": "first"}) == manifest
    assert manifest.info["versions"] == {"by": "second"}
    assert read_all(tmp_path, manifest) == traces(0, 2, "first ")


# Damaged


@pytest.mark.parametrize("place", [0.0, 0.2, 0.5, 0.8, 1.0])
def test_a_flipped_bit_in_a_shard_is_damage_that_names_the_file(tmp_path: Path, place: float) -> None:
    manifest = finished(tmp_path, 2)
    path = shard_file(tmp_path, manifest, 1)
    data = bytearray(path.read_bytes())
    data[round(place * (len(data) - 1))] ^= 1
    path.write_bytes(data)
    with pytest.raises(DamagedRun, match=f"{path}: its bytes differ.*--force"):
        read_all(tmp_path, manifest)
    with pytest.raises(DamagedRun, match=path.name):
        attempt(tmp_path).read_shard(HintTrace, "hint_traces", 1)


def test_a_shard_cut_short_is_damage(tmp_path: Path) -> None:
    manifest = finished(tmp_path, 1)
    path = shard_file(tmp_path, manifest)
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(DamagedRun, match=path.name):
        read_all(tmp_path, manifest)


def test_shards_that_change_places_are_damage(tmp_path: Path) -> None:
    manifest = finished(tmp_path, 2)
    first, second = (shard_file(tmp_path, manifest, i) for i in (0, 1))
    first_bytes = first.read_bytes()
    first.write_bytes(second.read_bytes())
    second.write_bytes(first_bytes)
    with pytest.raises(DamagedRun, match=first.name):
        read_all(tmp_path, manifest)


def test_a_missing_shard_is_damage_that_names_the_file(tmp_path: Path) -> None:
    manifest = finished(tmp_path, 2)
    path = shard_file(tmp_path, manifest, 1)
    path.unlink()
    with pytest.raises(DamagedRun, match=f"{path}: a committed shard is missing.*--force"):
        read_all(tmp_path, manifest)


NO_MANIFESTS: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda whole: b"",
    "half": lambda whole: whole[: len(whole) // 2],
    "without its end": lambda whole: whole[:-1],
    "zeros": lambda whole: bytes(len(whole)),
    "no text": lambda whole: b"\xff\xfe\x00garbage",
    "null": lambda whole: b"null",
    "number": lambda whole: b"12",
    "list": lambda whole: b"[]",
    "no field": lambda whole: b"{}",
    "a field too few": lambda whole: json.dumps({k: v for k, v in json.loads(whole).items() if k != "seed"}).encode(),
    "a field too many": lambda whole: json.dumps({**json.loads(whole), "extra": 1}).encode(),
}


@pytest.mark.parametrize("damage", NO_MANIFESTS)
def test_what_is_no_manifest_is_damage_that_names_the_file(tmp_path: Path, damage: str) -> None:
    root = str(tmp_path / "run")
    run = Run.create(root, Identity("d", "p", 7), Settings({}, {"rollout": StageSettings(1, {})}))
    manifest = run.commit(run.attempt(ADDRESS, {"data": "d"}), 0, {})
    assert run.ledger.current(ADDRESS) == manifest
    path = tmp_path / "run" / manifest.folder / layout.MANIFEST
    path.write_bytes(NO_MANIFESTS[damage](path.read_bytes()))
    with pytest.raises(DamagedRun, match=f"{path}: not a manifest"):
        read_manifest(run.files, manifest.folder)
    with pytest.raises(DamagedRun, match=f"{path}: not a manifest"):
        Run.open(root)


@pytest.mark.parametrize("data", [b"", b"{", b"12", b"null", b"\xff"])
def test_what_is_no_sidecar_is_damage_that_names_the_file(tmp_path: Path, data: bytes) -> None:
    a = attempt(tmp_path)
    a.write(0, {"hint_traces": traces(0, 2)})
    path = tmp_path / a.folder / layout.sidecar_name(0)
    path.write_bytes(data)
    with pytest.raises(DamagedRun, match=str(path)):
        a.commit(1, {})


# Repeated


def test_equal_rows_give_equal_bytes_and_others_do_not() -> None:
    assert parquet_bytes("hint_traces", traces(1, 50)) == parquet_bytes("hint_traces", traces(1, 50))
    other = [*traces(1, 49), dataclasses.replace(traces(1, 50)[-1], reward=0.5)]
    assert parquet_bytes("hint_traces", other) != parquet_bytes("hint_traces", traces(1, 50))


def test_digest_of_a_manifest_ignores_times_names_versions_and_the_place(tmp_path: Path) -> None:
    first = finished(tmp_path / "a", 3)
    b = attempt(tmp_path / "b", number=4)
    b.started -= 1000.0
    for i in (2, 0, 1):
        b.write(i, {"dropped": [dropped(i)], "hint_traces": traces(i, ROWS)})
    second = b.commit(3, {"torch": "another"})
    assert second.info["seconds"] > first.info["seconds"] + 900
    assert second.info["versions"] != first.info["versions"]
    assert second.table_files("hint_traces") != first.table_files("hint_traces")
    assert second.digest == first.digest


def test_digest_of_a_manifest_depends_on_each_row_each_table_their_order_and_each_file(tmp_path: Path) -> None:
    manifest = finished(tmp_path, 2)
    one, two = manifest.shards
    renamed = {"curated": one["hint_traces"], "dropped": one["dropped"]}
    changed = {**one, "dropped": {**one["dropped"], "sha256": sha256_bytes(b"other")}}
    others = [
        dataclasses.replace(manifest, shards=shards)
        for shards in ([two, one], [one], [one, two, two], [renamed, two], [changed, two])
    ]
    others.append(dataclasses.replace(manifest, files={"checkpoint/model": sha256_bytes(b"weights")}))
    digests = {manifest.digest, *(other.digest for other in others)}
    assert len(digests) == 1 + len(others)


def test_a_key_depends_on_each_part_and_not_on_the_order_of_names() -> None:
    def key(**changes: Any) -> str:
        parts = {"stage": "a", "version": 1, "settings": {"x": 1, "y": 2}, "seed": 3, "inputs": {"p": "1", "q": "2"}}
        return stage_key(**{**parts, **changes})

    others = {
        key(stage="b"),
        key(version=2),
        key(settings={"x": 1, "y": 3}),
        key(settings={"x": 1}),
        key(seed=4),
        key(inputs={"p": "2", "q": "1"}),
        key(inputs={"p": "1"}),
    }
    assert len(others | {key()}) == 8
    assert key(settings={"y": 2, "x": 1}, inputs={"q": "2", "p": "1"}) == key()


def test_rows_of_a_table_come_from_the_shards_that_have_it(tmp_path: Path) -> None:
    a = attempt(tmp_path)
    a.write(0, {"dropped": [dropped(0)]})
    a.write(1, {"hint_traces": traces(1, 2)})
    a.write(2, {"hint_traces": []})
    a.write(3, {"hint_traces": traces(3, 1)})
    manifest = a.commit(4, {})
    assert read_all(tmp_path, manifest) == [*traces(1, 2), *traces(3, 1)]
    assert (manifest.rows("hint_traces"), manifest.rows("dropped"), manifest.rows("curated")) == (3, 1, 0)
    assert len(manifest.table_files("hint_traces")) == 3


def test_a_folder_of_files_is_part_of_the_output(tmp_path: Path) -> None:
    digests = []
    for i, content in enumerate((b"weights", b"weights", b"others")):
        a = attempt(tmp_path / str(i))
        source = a.files.scratch()
        (source / "inner").mkdir()
        (source / "inner" / "model").write_bytes(content)
        place = a.add_folder("checkpoint", source)
        manifest = a.commit(0, {})
        assert manifest.files == {"checkpoint/inner/model": sha256_bytes(content)}
        assert place == f"{manifest.folder}/{manifest.info['checkpoint_folder']}"
        assert a.files.read(f"{place}/inner/model") == content
        digests.append(manifest.digest)
    assert digests[0] == digests[1] != digests[2]


def test_a_run_directory_can_be_moved(tmp_path: Path) -> None:
    manifest = finished(tmp_path / "here", 2)
    shutil.move(tmp_path / "here", tmp_path / "there")
    assert read_manifest(Files(tmp_path / "there"), manifest.folder) == manifest
    assert_whole(tmp_path / "there", manifest, 2, ROWS)
