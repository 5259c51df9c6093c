"""The whole loop on the deterministic engine, without Prefect: done once, continued, killed, broken, told to change."""

import shutil
import threading
from pathlib import Path

import pytest
from small_run import complete, complete_in_child, tables

from flows.config import ModelConfig, load_config
from flows.session import open_session
from flows.stage_specs import SPECS
from flows.stages import run_stage
from storage.errors import RunBusy, UserError
from storage.query import query
from storage.run import Run


@pytest.fixture(scope="module")
def finished(two_rounds):
    """An undisturbed run: its folder and its tables."""
    return two_rounds, tables(two_rounds)


def test_every_table_is_filled(finished):
    _, found = finished
    assert {name for name, rows in found.items() if not rows} <= {"dropped", "rejected"}


def test_numbers_agree_between_tables(finished, small_config):
    run = Run.open(str(finished[0]))
    groups = query(
        run, "select pass, count(*) as n, any_value(num_rollouts) as size from groups group by pass"
    ).to_pylist()
    assert all(row["size"] == small_config.rollout.group_size for row in groups)
    counts = {row["pass"]: row["n"] for row in groups}
    assert counts["original"] == 20
    assert counts["augmented"] == counts["control"] > 0
    # what is trained on is live, in the table once, and augmented where an augmentation exists
    bad = query(
        run,
        """
        select c.sample_id from curated c join groups g using (group_id)
        where g.vanished or (c.pass = 'original' and exists (
            from augmentations a
            where a.round_index = c.round_index and a.sample_id = c.sample_id and a.kind <> 'none'))
        """,
    )
    assert bad.num_rows == 0
    # every curated rollout has its old log-probs, and is trained twice
    assert (
        query(run, "select count(*) as n from curated").to_pylist()
        == query(run, "select count(*) as n from old_logprobs").to_pylist()
    )
    steps = query(
        run,
        """
        select min(n) as low, max(n) as high
        from (select count(*) as n from train_rollouts group by round_index, group_id, rollout_index)
        """,
    )
    assert steps.to_pylist() == [{"low": 2, "high": 2}]


def test_first_update_of_a_batch_is_on_policy_and_the_next_is_not(finished):
    run = Run.open(str(finished[0]))
    rows = query(run, "select * from train_steps order by round_index, step").to_pylist()
    first = [row for row in rows if row["batch_index"] == 0]
    assert all(abs(row["rho_std"]) < 1e-5 for row in first if row["update_index"] == 0)
    assert all(row["rho_std"] > 1e-5 for row in first if row["update_index"] == 1)
    assert all(row["grad_norm"] > 0 for row in rows)


def test_a_finished_run_is_not_repeated(finished, small_config):
    folder, before = finished
    assert complete(folder, small_config) == []
    assert tables(folder) == before


def test_cached_frames_make_the_same_tables(finished, tmp_path, small_config):
    cached = small_config.model_copy(update={"video": small_config.video.model_copy(update={"cache_gib": 0.5})})
    complete_in_child(tmp_path / "run", cached)
    assert tables(tmp_path / "run") == finished[1]
    assert list((tmp_path / "run/frames").iterdir())
    assert not (finished[0] / "frames").exists()


def test_more_rounds_continue_and_keep_what_is_done(finished, tmp_path, small_config):
    shutil.copytree(finished[0], tmp_path / "run")
    more = load_config("tiny", [f"rounds={small_config.rounds + 1}"]).model_copy(
        update={name: getattr(small_config, name) for name in type(small_config).model_fields if name != "rounds"}
    )
    done = complete(tmp_path / "run", more)
    assert {round_index for _, round_index in done} == {2, 3}


def test_a_forced_stage_with_identical_output_keeps_its_successors(finished, tmp_path, small_config, console):
    shutil.copytree(finished[0], tmp_path / "run")
    with open_session(str(tmp_path / "run"), small_config, console) as session:
        manifest = run_stage(session, "rollout", 0, force=True)
        assert manifest.number == 1
        assert session.run.ledger.state("00000/train") == ("done", "")
    assert complete(tmp_path / "run", small_config) == []


def test_changed_settings_need_consent_and_redo_only_what_depends_on_them(finished, tmp_path, small_config, console):
    shutil.copytree(finished[0], tmp_path / "run")
    changed = small_config.model_copy(update={"train": small_config.train.model_copy(update={"kl_weight": 0.7})})
    with pytest.raises(UserError, match="--accept-changes"), open_session(str(tmp_path / "run"), changed, console):
        pass
    with open_session(str(tmp_path / "run"), changed, console, accept_changes=True) as session:
        states = {name: session.run.ledger.state(f"00000/{name}")[0] for name in SPECS}
    assert states == {**dict.fromkeys(SPECS, "done"), "train": "stale"}
    assert ("rollout", 0) not in complete(tmp_path / "run", changed)


@pytest.mark.parametrize("damage", ["truncated", "missing", "text"])
def test_a_broken_video_drops_its_sample_with_the_reason(tmp_path, small_config, console, damage):
    folder = tmp_path / "run"
    with open_session(str(folder), small_config, console) as session:
        run_stage(session, "select", 0)
        victim = query(session.run, "select sample_id from selected order by position limit 1").to_pylist()[0][
            "sample_id"
        ]
        video = Path(session.locate(session.samples[victim].video_path))
        if damage == "truncated":
            video.write_bytes(video.read_bytes()[: video.stat().st_size // 2])
        elif damage == "missing":
            video.unlink()
        else:
            video.write_text("this is no video")
        run_stage(session, "rollout", 0)
        run_stage(session, "difficulty", 0)
        rollouts = query(session.run, f"from rollouts where sample_id = '{victim}'")
        dropped = query(session.run, "select sample_id, stage, reason, detail from dropped").to_pylist()
    assert rollouts.num_rows == 0
    assert [(row["sample_id"], row["stage"], row["reason"]) for row in dropped] == [
        (victim, "rollout", "unreadable_video")
    ]
    assert video.name in dropped[0]["detail"]


def test_a_checkpoint_without_a_probe_gets_one_once(tmp_path, small_config, checkpoint, console):
    """A policy that changed from call to call would be loaded again for every stage."""
    shutil.copytree(checkpoint, tmp_path / "plain", ignore=shutil.ignore_patterns("probe.parquet"))
    plain = small_config.model_copy(update={"model": ModelConfig(path=str(tmp_path / "plain"))})
    with open_session(str(tmp_path / "run"), plain, console) as session:
        assert session.policy(0) == session.policy(0)
        assert session.policy(0).probe.is_file()


def test_another_seed_is_another_run(finished, small_config, console):
    other = small_config.model_copy(update={"seed": 1})
    with pytest.raises(UserError, match="seed"), open_session(str(finished[0]), other, console):
        pass


def test_a_stage_without_its_inputs_says_what_is_missing(tmp_path, small_config, console):
    with (
        open_session(str(tmp_path / "run"), small_config, console) as session,
        pytest.raises(UserError, match="00000/curate"),
    ):
        run_stage(session, "train", 0)


def test_the_same_run_on_an_object_store_has_the_same_tables(finished, small_config):
    """fsspec's memory store: everything goes through create-only puts and whole-object reads."""
    url = "memory://bucket/run"
    complete(url, small_config)
    assert complete(url, small_config) == []
    local, stored = finished[1], tables(url)
    assert {name: len(rows) for name, rows in stored.items()} == {name: len(rows) for name, rows in local.items()}
    for name in ("selected", "difficulty", "hint_traces"):  # the others hold paths, or numbers of another process
        assert stored[name] == local[name]


def test_a_session_inside_another_one_of_the_same_settings_is_that_one(tmp_path, small_config, console):
    folder, other = str(tmp_path / "run"), small_config.model_copy(update={"rounds": 3})
    with open_session(folder, small_config, console) as outer:
        with open_session(folder, small_config.model_copy(), console) as inner:
            assert inner is outer
        with pytest.raises(RunBusy), open_session(folder, other, console):
            pass
        refused: list[RunBusy] = []

        def elsewhere():
            try:
                with open_session(folder, small_config, console):
                    pass
            except RunBusy as error:
                refused.append(error)

        thread = threading.Thread(target=elsewhere)
        thread.start()
        thread.join()
        assert len(refused) == 1  # another thread is another writer
        with open_session(folder, small_config, console) as inner:
            assert inner is outer
    with open_session(folder, other, console) as later:
        assert later is not outer
