"""`deepvideo replay`: the same steps come out, and steps that do not are noticed."""

import json
import shutil

import pytest
from conftest import call

from storage import layout
from storage.digest import sha256_bytes, sha256_value
from storage.query import query
from storage.records import TrainStep
from storage.run import Run
from storage.shards import parquet_bytes, read_records


def replay(capfd, folder, *arguments):
    return call(capfd, "replay", "--run-dir", folder, *arguments)


def test_the_last_step_of_the_last_round_comes_out_the_same(capfd, two_rounds):
    before = sorted(path for path in two_rounds.rglob("*") if "logs" not in path.parts)
    last = query(Run.open(str(two_rounds)), "select max(step) as step from train_steps where round_index = 1")
    step = last.to_pylist()[0]["step"]
    code, out, _ = replay(capfd, two_rounds, "--round", 1, "--step", step)
    assert (code, out.strip().splitlines()[-1]) in [(0, "identical")]
    assert len([line for line in out.splitlines() if line.strip()[:1].isdigit()]) == step + 1
    assert sorted(path for path in two_rounds.rglob("*") if "logs" not in path.parts) == before


@pytest.mark.parametrize(("name", "step"), [("loss", 1), ("grad_norm", 0)])
def test_a_logged_figure_that_does_not_come_out_is_named(capfd, two_rounds, tmp_path, name, step):
    """The logged figure is changed and everything that vouches for it with it, as a faulty trainer would have."""
    shutil.copytree(two_rounds, tmp_path / "run")
    run = Run.open(str(tmp_path / "run"))
    manifest = run.ledger.current("00000/train")
    rows = [
        {n: getattr(row, n) for n in TrainStep.__slots__}
        for row in read_records(run.files, TrainStep, "train_steps", manifest)
    ]
    rows[step][name] *= 1.001
    data = parquet_bytes("train_steps", [TrainStep(**row) for row in rows])
    folder = tmp_path / "run" / manifest.folder
    file, body = folder / layout.MANIFEST, json.loads((folder / layout.MANIFEST).read_text())
    part = next(shard["train_steps"] for shard in body["shards"] if "train_steps" in shard)
    (folder / part["file"]).write_bytes(data)
    part |= {"sha256": sha256_bytes(data), "bytes": len(data)}
    body.pop("seal")
    file.write_text(json.dumps({**body, "seal": sha256_value(body)}))
    code, out, _ = replay(capfd, tmp_path / "run", "--round", 0, "--step", 1)
    assert code == 1
    assert out.strip().splitlines()[-1].startswith(f"differs: from step {step} ({name}) on")
    assert replay(capfd, tmp_path / "run", "--round", 0, "--step", 1, "--rtol", 0.01)[0] == 0
