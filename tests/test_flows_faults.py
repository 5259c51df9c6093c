"""What can happen to a machine, really done to a run: the disk, the clock, the lock, a byte, the engine's process."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import libfaketime
import pytest
from conftest import call, one_line
from small_disk import disk, fill, remount
from small_run import complete, complete_in_child, fork_server, tables

from storage.run import Run

ROOT = Path(__file__).parents[1]


def stage(capfd, folder, name, r, *more):
    return call(capfd, "stage", name, "--round", r, "--run-dir", folder, *more)


@pytest.mark.parametrize(("name", "r", "left"), [("train", 1, 3 * 2**20), ("rollout", 1, 2**14), ("select", 0, 0)])
def test_a_full_disk_loses_nothing_and_with_space_the_same_command_goes_on(
    capfd, unfinished, two_rounds, tmp_path, name, r, left
):
    """The checkpoint alone is 7 MB; a shard of rollouts is larger than what is left for it; then no byte is left."""
    with disk(tmp_path / "disk", 512) as small:
        folder = small / "run"
        shutil.copytree(unfinished, folder)
        committed = {path: path.read_bytes() for path in folder.glob("rounds/*/*/*/*/*") if path.is_file()}
        current = Run.open(str(folder)).ledger.current(f"{r:05d}/{name}")
        fill(small, left)
        code, _, err = stage(capfd, folder, name, r, "--force")
        assert code == 1
        assert "the disk is full; free some space and repeat the same command" in one_line(err)
        assert {path: path.read_bytes() for path in committed} == committed
        assert Run.open(str(folder)).ledger.current(f"{r:05d}/{name}") == current
        (small / "filler").unlink()
        for again in ((name, r, "--force"), ("train", 1), ("evaluate", 2)):
            assert stage(capfd, folder, *again)[0] == 0
        assert tables(folder) == tables(two_rounds)


def test_a_read_only_disk_can_be_read_and_says_that_it_cannot_be_written(capfd, unfinished, tmp_path):
    with disk(tmp_path / "disk", 256) as small:
        folder = small / "run"
        shutil.copytree(unfinished, folder)
        remount(small, "ro")
        code, _, err = stage(capfd, folder, "train", 1)
        assert code == 1
        assert "Read-only file system; make it writable" in one_line(err)
        code, out, _ = call(capfd, "status", "--run-dir", folder)
        assert (code, "next: train of round 1" in out) == (0, True)
        code, out, _ = call(capfd, "sql", "select count(*) as n from rollouts", "--run-dir", folder)
        assert code == 0
        assert call(capfd, "verify", "--run-dir", folder)[0] == 0


def test_a_second_run_on_one_directory_names_the_first_whose_lock_dies_with_it(capfd, tmp_path, small_config):
    folder = tmp_path / "run"
    child = fork_server.Process(target=complete, args=(folder, small_config))
    child.start()
    while not (folder / "run.json").exists():
        time.sleep(0.01)
    code, _, err = stage(capfd, folder, "select", 0)
    os.kill(child.pid, signal.SIGKILL)
    child.join()
    assert code == 2
    assert f'"pid": {child.pid}' in one_line(err)
    assert socket.gethostname() in err
    assert stage(capfd, folder, "select", 0)[0] == 0  # the file of the lock is still there, its holder is not


def test_a_clock_that_is_set_back_repeats_nothing(unfinished, two_rounds, tmp_path):
    library = next(Path(libfaketime.__file__).parent.rglob("libfaketime.so.1"))
    program = (
        "import sys, time, pathlib; from small_run import SMALL, complete; from flows.config import load_config\n"
        "assert time.gmtime().tm_year < 2021, time.gmtime()\n"
        "print(complete(pathlib.Path(sys.argv[1]), load_config('tiny', SMALL)))"
    )
    past = {"LD_PRELOAD": str(library), "FAKETIME": "2020-01-01 00:00:00", "DONT_FAKE_MONOTONIC": "1"}
    result = subprocess.run(
        [sys.executable, "-c", program, str(unfinished)],
        env={**os.environ, **past, "PYTHONPATH": f"{ROOT}:{ROOT / 'benchmarks'}"},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert result.stdout.strip() == "[('evaluate', 2), ('train', 1)]", result.stderr
    assert tables(unfinished) == tables(two_rounds)


def shard(folder, stage_name, r, table):
    """A file of the current attempt of a stage."""
    found = Run.open(str(folder)).ledger.current(f"{r:05d}/{stage_name}").table_files(table)
    return folder / found[0]


def first(folder, pattern):
    return sorted(folder.glob(pattern))[0]


FLIPPED = {
    "rollouts": (lambda run: shard(run, "rollout", 0, "rollouts"), ("difficulty", 0), ("rollout", 0)),
    "difficulty": (lambda run: shard(run, "difficulty", 1, "difficulty"), ("augment", 1), ("difficulty", 1)),
    "augmentations": (lambda run: shard(run, "augment", 1, "augmentations"), ("rollout_augmented", 1), ("augment", 1)),
    "curated": (lambda run: shard(run, "curate", 1, "curated"), ("train", 1), ("curate", 1)),
    "checkpoint": (
        lambda run: first(run, "rounds/00000/train/*/0/checkpoint-*/model.safetensors"),
        ("rollout", 1),
        ("train", 0),
    ),
    "optimizer": (
        lambda run: first(run, "rounds/00000/train/*/0/optimizer-*/optimizer.pt"),
        ("train", 1),
        ("train", 0),
    ),
}


@pytest.mark.parametrize("kind", FLIPPED)
def test_a_flipped_byte_is_noticed_before_it_is_used_and_the_remedy_works(capfd, unfinished, kind):
    find, reader, maker = FLIPPED[kind]
    file = find(unfinished)
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.write_bytes(data)
    code, _, err = stage(capfd, unfinished, *reader, "--force")
    assert code == 1
    assert file.name in one_line(err)
    assert "redo its stage with --force" in err
    assert stage(capfd, unfinished, *maker, "--force")[0] == 0
    assert stage(capfd, unfinished, *reader, "--force")[0] == 0


BROKEN = {
    "manifest": "rounds/00000/rollout/*/0/manifest.json",
    "settings": "settings/00000.json",
    "samples": "samples/*.parquet",
}


@pytest.mark.parametrize("damage", ["halved", "flipped"])
@pytest.mark.parametrize("kind", BROKEN)
def test_a_damaged_record_is_named_with_a_remedy_that_works(
    capfd, unfinished, two_rounds, tmp_path, small_config, kind, damage
):
    file = first(unfinished, BROKEN[kind])
    data = bytearray(file.read_bytes())
    if damage == "halved":
        del data[len(data) // 2 :]
    else:
        data[len(data) // 2] ^= 1
    file.write_bytes(data)
    code, _, err = stage(capfd, unfinished, "rollout", 0, "--force")
    assert code == 1
    assert file.name in one_line(err)
    assert "remove" in err
    shutil.rmtree(file.parent) if kind == "manifest" else file.unlink()
    complete_in_child(unfinished, small_config)
    assert tables(unfinished) == tables(two_rounds)


@pytest.mark.parametrize("damage", ["halved", "flipped"])
def test_a_damaged_sidecar_is_named(capfd, unfinished, damage):
    file = first(unfinished, "rounds/00000/rollout/*/0/shard-00001.json")
    (file.parent / "manifest.json").unlink()
    text = file.read_text()
    assert '"rows": 16' in text
    file.write_text(text[:40] if damage == "halved" else text.replace('"rows": 16', '"rows": 17'))
    code, _, err = stage(capfd, unfinished, "rollout", 0)
    assert code == 1
    assert file.name in one_line(err)
    file.unlink()
    assert stage(capfd, unfinished, "rollout", 0)[0] == 0
    assert Run.open(str(unfinished)).ledger.state("00000/train") == ("done", "")  # the same bytes again


@pytest.mark.slow
def test_the_process_of_the_real_engine_killed_in_mid_rollout(tmp_path):
    """Real vLLM: the shards that were committed are kept, the next process does the others."""
    sets = ["rounds=1", "data.num_train=64", "data.num_validation=4", "select.samples_per_round=64"]
    sets += ["rollout.shard_size=2"]
    command = [sys.executable, "-m", "flows.cli", "run", "tiny", "--run-dir", str(tmp_path / "run")]
    command += [part for value in sets for part in ("--set", value)]
    shards = lambda: sorted((tmp_path / "run").glob("rounds/00000/rollout/*/0/shard-*.json"))  # noqa: E731
    with subprocess.Popen(command, start_new_session=True, stdout=subprocess.DEVNULL) as process:
        while len(shards()) < 4:
            assert process.poll() is None
            time.sleep(0.05)
        os.killpg(process.pid, signal.SIGKILL)
    kept = {path: path.read_bytes() for path in shards()}
    assert 4 <= len(kept) < 32
    again = subprocess.run(command, capture_output=True, text=True)
    assert again.returncode == 0, again.stderr
    assert {path: path.read_bytes() for path in kept} == kept
    assert len(shards()) == 32


@pytest.mark.slow
def test_an_engine_that_cannot_answer_is_a_failed_stage_with_its_reason(capfd, tmp_path):
    """Prompts of 8 frames do not fit into 64 tokens: vLLM itself refuses them."""
    sets = ["rounds=1", "engine.max_model_len=64", "data.num_train=4", "data.num_validation=2"]
    sets += ["select.samples_per_round=4"]
    command = [sys.executable, "-m", "flows.cli", "run", "tiny", "--run-dir", str(tmp_path / "run")]
    command += [part for value in sets for part in ("--set", value)]
    result = subprocess.run(command, capture_output=True, text=True)
    assert result.returncode == 1
    one_line(result.stderr)
    code, out, _ = call(capfd, "status", "--run-dir", tmp_path / "run")
    assert code == 0
    assert "00000/evaluate failed: " in out
