"""`deepvideo verify` against real damage: one flipped byte in each kind of file is named, an undamaged run passes."""

import io
import shutil
from pathlib import Path

import fsspec
import pytest
from rich.console import Console
from test_flows_trace import printed

from flows.session import open_session
from storage.errors import UserError
from storage.files import Files
from storage.verify import verify

KINDS = {
    "shard": "rounds/00001/rollout/*/0/rollouts-00001-*.parquet",
    "train shard": "rounds/00002/train/*/0/train_rollouts-*.parquet",
    "manifest": "rounds/00001/rollout/*/0/manifest.json",
    "sidecar": "rounds/00001/rollout/*/0/shard-00001.json",
    "checkpoint": "rounds/00000/train/*/0/checkpoint-*/model.safetensors",
    "probe": "rounds/00000/train/*/0/checkpoint-*/probe.parquet",
    "optimizer": "rounds/00002/train/*/0/optimizer-*/optimizer.pt",
    "altered video": "videos/*.avi",
    "sample video": "data/videos/shapes-train-00003.mp4",
    "sample table": "samples/*.parquet",
    "empty table": "empty/rollouts.parquet",
    "identity": "run.json",
    "settings": "settings/00000.json",
}


def look(folder):
    return verify(Files(folder), lambda what, done, total: None)


@pytest.fixture
def run(three_rounds, tmp_path):
    return Path(shutil.copytree(three_rounds, tmp_path / "run"))


def test_an_undamaged_run_passes_and_everything_is_counted(three_rounds):
    report = look(three_rounds)
    assert (report.damages, report.orphans, report.pruned) == ([], {}, 0)
    files = {kind: count.files for kind, count in report.checked.items()}
    assert files["sample videos"] == 30
    assert files["checkpoints"] == sum(path.is_file() for path in three_rounds.glob("rounds/*/train/*/0/*-*/*"))
    assert files["altered videos"] == len(list(three_rounds.glob("videos/*"))) > 0
    assert files["tables"] == sum(path.is_file() for path in three_rounds.glob("rounds/*/*/*/*/*.parquet"))
    assert "nothing is damaged" in printed("verify", "--run-dir", three_rounds)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("damage", ["flip", "cut", "remove"])
def test_damage_is_named(run, kind, damage):
    victim = sorted(run.glob(KINDS[kind]))[0]
    data = bytearray(victim.read_bytes())
    middle = len(data) // 2
    if kind in ("sample table", "empty table"):
        middle = 40 if kind == "sample table" else len(data) // 3
    data[middle] ^= 1
    if damage == "remove" and kind == "manifest":
        return  # without its manifest an attempt is unfinished, which is no damage
    if damage == "flip":
        victim.write_bytes(data)
    elif damage == "cut":
        victim.write_bytes(data[:middle])
    else:
        victim.unlink()
    named = {entry.path for entry in look(run).damages}
    place = victim.relative_to(run).as_posix()
    assert place in named or (kind == "settings" and "settings" in named)
    text = printed("verify", "--run-dir", run, code=1)
    assert "remedy: " in text


def test_a_shard_that_an_unfinished_attempt_has_committed_is_checked(run):
    manifest = next(run.glob("rounds/00002/rollout/*/0/manifest.json"))
    manifest.unlink()
    assert look(run).damages == []
    shard = next(manifest.parent.glob("rollouts-00000-*.parquet"))
    shard.write_bytes(shard.read_bytes()[:-1])
    assert [entry.path for entry in look(run).damages] == [shard.relative_to(run).as_posix()]


def test_a_manifest_with_another_key_or_place_is_damage(run):
    manifest = next(run.glob("rounds/00001/rollout/*/0/manifest.json"))
    text = manifest.read_text()
    manifest.write_text(text.replace('"seed": 0', '"seed": 1'))
    assert [entry.path for entry in look(run).damages] == [manifest.relative_to(run).as_posix()]
    manifest.write_text(text.replace('"number": 0', '"number": 3'))
    assert [entry.path for entry in look(run).damages] == [manifest.relative_to(run).as_posix()]


def test_what_no_record_names_is_an_orphan_and_no_damage(run):
    folder = next(run.glob("rounds/00001/rollout/*/0"))
    left = [folder / "rollouts-00001-dead.parquet", folder / ".dead.tmp", run / "videos" / ".dead.tmp"]
    for path in left:
        path.write_bytes(b"half of a shard")
    report = look(run)
    assert report.damages == []
    assert set(report.orphans) == {path.relative_to(run).as_posix() for path in left}
    assert "orphan rounds/00001" in printed("verify", "--run-dir", run)


def test_a_video_under_another_name_is_damage(run):
    video = sorted(run.glob("videos/*.avi"))[0]
    video.with_name(f"{'0' * 64}.avi").write_bytes(video.read_bytes())
    assert [entry.path for entry in look(run).damages] == [f"videos/{'0' * 64}.avi"]


def test_a_run_at_work_is_not_damaged(run, small_config):
    three = small_config.model_copy(update={"rounds": 3})
    with open_session(str(run), three, Console(file=io.StringIO())):
        assert look(run).damages == []


def test_an_object_store_is_checked_the_same(three_rounds):
    url = "memory://verify/run"
    store = fsspec.filesystem("memory")
    store.put(f"{three_rounds}/", "/verify/run/", recursive=True)
    assert look(url).damages == []
    victim = next(path for path in store.find("/verify/run/rounds") if path.endswith("model.safetensors"))
    store.pipe_file(victim, store.cat_file(victim)[:-1])
    assert [entry.path for entry in look(url).damages] == [victim.removeprefix("/verify/run/")]


def test_no_run_is_a_wrong_input(tmp_path):
    with pytest.raises(UserError, match="no run is there"):
        look(tmp_path)
