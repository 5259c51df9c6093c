"""`deepvideo prune`: what goes, what stays, what a stage is told that misses it, and a kill in the middle."""

import io
import shutil
from pathlib import Path

import pytest
from rich.console import Console
from small_run import complete, tables
from test_flows_trace import printed

from flows.prune import plan
from flows.session import open_session
from flows.stages import run_stage
from storage.errors import UserError
from storage.files import Files
from storage.lock import run_lock
from storage.query import query
from storage.run import Run
from storage.tombstones import read_tombstones, write_tombstone
from storage.verify import verify


def look(folder):
    return verify(Files(folder), lambda what, done, total: None)


@pytest.fixture
def config(small_config):
    return small_config.model_copy(update={"rounds": 3})


@pytest.fixture
def run(three_rounds, tmp_path):
    return Path(shutil.copytree(three_rounds, tmp_path / "run"))


def weights(run):
    """The rounds of which a checkpoint is there."""
    return sorted({int(path.parts[-6]) for path in run.glob("rounds/*/train/*/*/*/model.safetensors")})


def states(run):
    return [(m.folder, m.digest) for m in Run.open(str(run)).ledger.manifests()]


def test_old_checkpoints_go_and_every_table_and_key_stays(run, config):
    before, held = tables(run), states(run)
    text = printed("prune", "--keep-last", 1, "--run-dir", run, "--dry-run")
    assert "would free" in text
    assert weights(run) == [0, 1, 2]
    text = printed("prune", "--keep-last", 1, "--run-dir", run)
    assert "freed" in text
    assert weights(run) == [2]
    assert not list(run.glob("rounds/0000[01]/train/*/*/optimizer-*"))
    assert (tables(run), states(run)) == (before, held)
    report = look(run)
    assert report.damages == []
    assert report.pruned == len(read_tombstones(Files(run))) > 0
    assert "nothing is left to do" in printed("status", "--run-dir", run)
    assert "nothing to prune" in printed("prune", "--keep-last", 1, "--run-dir", run)
    complete(run, config)
    assert states(run) == held


def test_a_run_goes_on_from_what_is_kept(run, config):
    printed("prune", "--keep-last", 1, "--run-dir", run)
    complete(run, config.model_copy(update={"rounds": 4}))
    assert weights(run) == [2, 3]


def test_what_a_missing_stage_needs_is_kept(run, config):
    for stage in ("train", "curate"):  # round 1 is to be trained again: from policy 1, on the videos of round 1
        shutil.rmtree(run / f"rounds/00001/{stage}")
    found = Run.open(str(run))
    items = plan(found, config, 1)
    assert items == []  # only round 0 has a current train attempt, and round 1 needs it
    every = config.model_copy(update={"evaluate": config.evaluate.model_copy(update={"every": 1})})
    assert plan(found, every, 1) == []


def test_an_evaluation_that_misses_keeps_its_policy(run, config):
    every = config.model_copy(update={"evaluate": config.evaluate.model_copy(update={"every": 1})})
    items = plan(Run.open(str(run)), every, 1)  # policies 1 and 2 were never evaluated
    assert {item.round_index for item in items if item.kind != "altered video"} == set()
    assert {i.round_index for i in plan(Run.open(str(run)), config, 1) if i.kind == "checkpoint"} == {0, 1}


def test_altered_videos_of_old_rounds_go(run, config):
    complete(run, config.model_copy(update={"rounds": 4}))
    four = config.model_copy(update={"rounds": 4})
    used = query(
        Run.open(str(run)), "select round_index, video_path from augmentations where kind = 'noise'"
    ).to_pylist()
    old = {row["video_path"] for row in used if row["round_index"] < 3}
    assert old
    printed("prune", "--keep-last", 1, "--run-dir", run)
    assert {f"videos/{path.name}" for path in run.glob("videos/*")} == {row["video_path"] for row in used} - old
    assert look(run).damages == []
    victim = next(row for row in used if row["round_index"] == 2)
    with (
        open_session(str(run), four, Console(file=io.StringIO())) as session,
        pytest.raises(UserError, match=r"was pruned on .* deepvideo stage augment --round 2 --force"),
    ):
        session.locate(victim["video_path"])


def test_a_stage_that_needs_what_was_pruned_says_how_to_have_it_again(run, config):
    printed("prune", "--keep-last", 1, "--run-dir", run)
    with open_session(str(run), config, Console(file=io.StringIO())) as session:
        with pytest.raises(UserError, match=r"round 1 was pruned on 2.*keep-last 1.*stage train --round 0 --force"):
            run_stage(session, "rollout", 1, force=True)
        with pytest.raises(UserError, match=r"train --round 0 --force, and so each round to 1"):
            run_stage(session, "rollout", 2, force=True)
        run_stage(session, "train", 0, force=True)
        run_stage(session, "rollout", 1, force=True)
    assert weights(run) == [0, 2]
    assert look(run).damages == []


def test_killed_between_tombstone_and_removal_a_second_prune_finishes(run, config):
    found = Run.open(str(run))
    write_tombstone(found.files, [grave for item in plan(found, config, 1) for grave in item.graves])  # and no more
    assert look(run).damages == []
    assert weights(run) == [0, 1, 2]
    assert "freed" in printed("prune", "--keep-last", 1, "--run-dir", run)
    assert weights(run) == [2]
    assert look(run).damages == []


def test_a_file_that_goes_without_a_tombstone_is_damage(run):
    printed("prune", "--keep-last", 2, "--run-dir", run)
    victim = next(run.glob("rounds/00002/train/*/0/checkpoint-*/model.safetensors"))
    victim.unlink()
    assert [entry.path for entry in look(run).damages] == [victim.relative_to(run).as_posix()]
    stone = run / "tombstones" / "00000.json"
    stone.write_text(stone.read_text()[:-9])
    assert "tombstones/00000.json" in {entry.path for entry in look(run).damages}


def test_prune_waits_for_nobody_who_works_on_the_run(run):
    with run_lock(Files(run)):
        printed("prune", "--keep-last", 1, "--run-dir", run, code=1)
    assert weights(run) == [0, 1, 2]
