"""The views of a run, with their numbers worked out by hand, and the SQL that is not allowed to leave it."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import uuid
from dataclasses import replace
from pathlib import Path
from typing import Any

import duckdb
import pytest
from conftest import rollout_with

from storage import layout, schema
from storage.digest import sha256_file
from storage.errors import UserError
from storage.layout import address
from storage.query import connect, query
from storage.records import (
    Alteration,
    Augmentation,
    Curated,
    Difficulty,
    Dropped,
    Evaluation,
    HintTrace,
    Kind,
    Label,
    Media,
    Pass,
    Rollout,
    Sample,
    Selected,
    TrainRollout,
)
from storage.run import Identity, Run, Settings
from storage.samples import write_samples
from storage.shards import Manifest
from storage.staleness import StageSettings
from storage.views import write_views

SCHEMAS = {table: schema.schema(record).names for table, record in schema.TABLES.items()}
VIEWS = {
    **SCHEMAS,
    "stages": "round_index stage key attempt current num_rows seconds ended".split(),
    "groups": (
        "run_id round_index pass sample_id group_id group_index problem_type policy_version augmentation level "
        "num_rollouts mean_reward std_reward accuracy normalised_reward vanished"
    ).split(),
    "augmentations": [
        *SCHEMAS["augmentations"],
        *"reward_before reward_control reward_after effect vanished_control vanished_after".split(),
    ],
    "hints": (
        "round_index problem_type num_samples num_traces num_usable num_hints leak_rate num_cut_by_leak "
        "num_cut_by_context num_no_correct_trace num_no_trace num_empty num_leak num_context"
    ).split(),
    "effects": "kind level num_samples effect effect_low effect_high vanished_control vanished_after".split(),
    "evaluation_levels": "round_index policy_version task_level num_samples mean_reward accuracy mean_iou".split(),
    "rounds": (
        "round_index policy_version num_groups mean_reward accuracy vanishing_before vanishing_after "
        "num_hard num_easy num_kept num_rollouts num_trained validation_accuracy seconds"
    ).split(),
}
PROMISED_ROLLOUTS = (
    "run_id round_index pass sample_id group_id rollout_index policy_version problem_type prompt prompt_token_ids "
    "response response_token_ids engine_logprobs finish_reason reward reward_format reward_accuracy reward_iou "
    "predicted_answer seed augmentation level video_path video_sha256"
).split()
INPUTS = {
    "select": ["data"],
    "rollout": ["select"],
    "difficulty": ["rollout"],
    "augment": ["difficulty"],
    "rollout_augmented": ["augment", "rollout"],
    "curate": ["rollout_augmented"],
    "train": ["curate"],
    "evaluate": ["data"],
}
SLOW_SECONDS = 500.0
ROUND_0 = {"s0": (0.0, 2.0), "s1": (2.0, 2.0), "s2": (0.0, 0.0), "s3": (1.0, 1.0)}


def empty_run(url: str) -> Run:
    stages = {name: StageSettings(1, {}) for name in INPUTS}
    run = Run.create(url, Identity("d", "p", 7), Settings({}, stages))
    samples = [Sample(f"s{i}", f"/nowhere/{i}.mp4", "What?", "A", "multiple_choice") for i in range(4)]
    write_samples(run.files, run.identity.data, samples, lambda what, done, total: None)
    return run


def do(
    run: Run, round_index: int, stage: str, *shards: dict[str, Any], force: bool = False, seconds: float = 0.0
) -> Manifest:
    names = [name if name == "data" else address(round_index, name) for name in INPUTS[stage]]
    inputs = {name: str(run.ledger.digest(name)) for name in names}
    attempt = run.attempt(address(round_index, stage), inputs, force=force)
    for i, tables in enumerate(shards):
        attempt.write(i, tables)
    attempt.started -= seconds
    return run.commit(attempt, len(shards), {})


def group(
    round_index: int, name: Pass, sample_id: str, rewards: tuple[float, ...], kind: Kind = "none"
) -> list[Rollout]:
    """A group's rollouts; a reward of 2 is the most, and half of each reward counts as accuracy."""
    return [
        rollout_with(
            round_index=round_index,
            pass_=name,
            sample_id=sample_id,
            group_index=4 * round_index + int(sample_id[1:]),
            rollout_index=i,
            policy_version=round_index,
            problem_type="multiple_choice",
            response=f"response {i}",
            reward=reward,
            reward_accuracy=reward / 2,
            seed=i,
            augmentation=kind,
            level=0.0 if kind == "none" else 0.5,
        )
        for i, reward in enumerate(rewards)
    ]


def groups(round_index: int, name: Pass, rewards: dict[str, tuple[float, ...]], kind: Kind = "none") -> list[Rollout]:
    return [row for sample_id, r in rewards.items() for row in group(round_index, name, sample_id, r, kind)]


def difficulty(round_index: int, labels: dict[str, Label]) -> list[Difficulty]:
    return [
        Difficulty("r", round_index, i, sample_id, 0.5, None, 0, 0.0, label, 0.0)
        for i, (sample_id, label) in enumerate(labels.items())
    ]


def augmentation(sample_id: str, kind: Kind, *, control: bool) -> Augmentation:
    media = Media("videos/x.avi", "0" * 64)
    return Augmentation("r", 0, sample_id, kind, 0.5, "", Alteration(), None, media, "", None, False, False, control)


def evaluation(sample_id: str, accuracy: float, level: str | None = None, iou: float | None = None) -> Evaluation:
    return Evaluation(
        "r", 0, 0, sample_id, "number", level, "4", "4", "stop", accuracy, 0.0, accuracy, iou, "4", accuracy, 0.0, 0
    )


def two_rounds(run: Run) -> Run:
    """Round 0 with everything, its rollouts in two shards; round 1 as far as difficulty.

    s1 and s3 are noised, s2 is hinted; s1 and s2 have a control. s3 trains on a group that is half clean, half noisy.
    """
    for r in (0, 1):
        do(run, r, "select", {"selected": [Selected("r", r, i, r, f"s{i}") for i in range(4)]})
    first, second = dict(list(ROUND_0.items())[:2]), dict(list(ROUND_0.items())[2:])
    failed = Dropped("r", 0, "rollout", "original", "s9", "video", "s9.mp4: no such video file")
    shards = [{"rollouts": groups(0, "original", half)} for half in (first, second)]
    do(run, 0, "rollout", *shards, seconds=SLOW_SECONDS)
    do(run, 0, "difficulty", {"difficulty": difficulty(0, {"s0": "kept", "s1": "easy", "s2": "hard", "s3": "easy"})})
    plan = [
        augmentation("s1", "noise", control=True),
        augmentation("s2", "hint", control=True),
        augmentation("s3", "noise", control=False),
    ]
    do(run, 0, "augment", {"augmentations": plan, "dropped": [failed]})
    augmented = groups(0, "augmented", {"s1": (2.0, 0.0), "s3": (2.0, 0.0)}, "noise")
    augmented += groups(0, "augmented", {"s2": (1.0, 1.0)}, "hint")
    control = groups(0, "control", {"s1": (2.0, 2.0), "s2": (0.0, 1.0)})
    do(run, 0, "rollout_augmented", {"rollouts": augmented + control})
    kept = [Curated(0, row) for row in group(0, "original", "s0", (0.0, 2.0))]
    kept += [Curated(1, row) for row in group(0, "augmented", "s1", (2.0, 0.0), "noise")]
    mixed = [group(0, "original", "s3", (1.0, 1.0))[0], group(0, "augmented", "s3", (2.0, 0.0), "noise")[0]]
    kept += [Curated(2, row) for row in mixed]
    equal = Dropped("r", 0, "curate", "augmented", "s2", "equal_rewards", "")
    do(run, 0, "curate", {"curated": kept, "dropped": [equal]})
    do(run, 0, "train", {"train_rollouts": [TrainRollout("r", 0, 0, "0-original-s0", 1, 0.5, -1.0, -0.75)]})
    answers = [evaluation("s0", 1.0, "L1", 0.75), evaluation("s1", 0.0, "L1"), evaluation("s2", 1.0, "L2")]
    do(run, 0, "evaluate", {"evaluations": [*answers, evaluation("s3", 0.0)]})
    do(run, 1, "rollout", {"rollouts": groups(1, "original", {"s0": (1.0, 1.0), "s1": (0.0, 1.0)})})
    do(run, 1, "difficulty", {"difficulty": difficulty(1, {"s0": "hard", "s1": "hard"})})
    return run


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A finished run that no test may change."""
    run = two_rounds(empty_run(str(tmp_path_factory.mktemp("query") / "run")))
    write_views(run)
    return run


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return empty_run(str(tmp_path_factory.mktemp("empty") / "run"))


def rows(run: Run, sql: str) -> list[dict[str, Any]]:
    return list(query(run, sql).to_pylist())


def paths(run: Run) -> set[Path]:
    folder = run.files.local("").parent
    return set(folder.rglob("*"))


# Views


def test_an_empty_run_has_every_view_with_its_columns_and_no_row(empty: Run) -> None:
    for view, columns in VIEWS.items():
        found = query(empty, f"from {view}")
        assert found.column_names == columns, view
        assert found.num_rows == (4 if view == "samples" else 0), view
    assert {row["name"] for row in rows(empty, "show tables")} == set(VIEWS)


def test_a_full_run_has_the_same_columns_of_the_same_types(empty: Run, done: Run) -> None:
    for view in VIEWS:
        assert rows(done, f"describe {view}") == rows(empty, f"describe {view}"), view


def test_documented_columns_are_there(done: Run) -> None:
    assert set(PROMISED_ROLLOUTS) <= set(query(done, "from rollouts").column_names)
    columns = query(done, "from train_rollouts").column_names
    assert {"round_index", "step", "group_id", "rollout_index", "advantage", "old_logp", "policy_logp"} <= set(columns)
    assert "reason" in query(done, "from dropped").column_names


def test_rounds_by_hand(done: Run) -> None:
    first, second = rows(done, "select * exclude seconds from rounds")
    assert first == {
        "round_index": 0,
        "policy_version": 0,
        "num_groups": 4,
        "mean_reward": 1.0,  # of the means 1, 2, 0, 1
        "accuracy": 0.5,
        "vanishing_before": 0.75,  # s1, s2, s3
        "vanishing_after": 0.25,  # s2 alone: s0 as it was, s1 and s3 were helped by noise; s3's two halves are one
        "num_hard": 1,
        "num_easy": 2,
        "num_kept": 1,
        "num_rollouts": 8 + 6 + 4,
        "num_trained": 3,
        "validation_accuracy": 0.5,
    }
    assert second == {
        "round_index": 1,
        "policy_version": 1,
        "num_groups": 2,
        "mean_reward": 0.75,
        "accuracy": 0.375,
        "vanishing_before": 0.5,
        "vanishing_after": None,  # nothing is curated yet
        "num_hard": 2,
        "num_easy": 0,
        "num_kept": 0,
        "num_rollouts": 4,
        "num_trained": None,
        "validation_accuracy": None,
    }


def test_evaluation_levels_by_hand(done: Run) -> None:
    found = rows(done, "select task_level, num_samples, accuracy, mean_iou from evaluation_levels order by all")
    assert [tuple(row.values()) for row in found] == [("L1", 2, 0.5, 0.75), ("L2", 1, 1.0, None), (None, 1, 0.0, None)]


def test_seconds_of_a_round_are_those_of_its_current_attempts(done: Run) -> None:
    for row in rows(done, "select round_index, seconds from rounds"):
        manifests = [m for m in done.ledger.manifests() if m.address.startswith(f"{row['round_index']:05d}")]
        assert row["seconds"] == pytest.approx(sum(m.info["seconds"] for m in manifests), abs=0.0005 * len(manifests))
        assert (row["seconds"] > SLOW_SECONDS) == (row["round_index"] == 0)


def test_vanishing_is_told_of_the_groups_made_to_be_trained_on_alone(tmp_path: Path) -> None:
    """A mixed group with equal rewards is dropped though neither of its sources vanished; nothing is left to train."""
    run = empty_run(str(tmp_path / "run"))
    do(run, 0, "select", {"selected": [Selected("r", 0, 0, 0, "s0")]})
    do(run, 0, "rollout", {"rollouts": group(0, "original", "s0", (2.0, 0.0))})
    do(run, 0, "difficulty", {"difficulty": difficulty(0, {"s0": "easy"})})
    do(run, 0, "augment", {"augmentations": [augmentation("s0", "noise", control=False)]})
    do(run, 0, "rollout_augmented", {"rollouts": group(0, "augmented", "s0", (2.0, 0.0), "noise")})
    do(run, 0, "curate", {"dropped": [Dropped("r", 0, "curate", "augmented", "s0", "equal_rewards", "")]})
    found = rows(run, "select vanishing_before, vanishing_after, num_trained from rounds")
    assert found == [{"vanishing_before": 0.0, "vanishing_after": 1.0, "num_trained": 0}]


def test_vanished_groups_that_were_kept_are_trained_on_and_still_vanished(tmp_path: Path) -> None:
    run = empty_run(str(tmp_path / "run"))
    do(run, 0, "select", {"selected": [Selected("r", 0, i, 0, f"s{i}") for i in range(3)]})
    groups = [group(0, "original", f"s{i}", values) for i, values in enumerate([(2.0, 0.0), (1.0, 1.0), (0.0, 0.0)])]
    do(run, 0, "rollout", {"rollouts": [row for rows in groups for row in rows]})
    do(run, 0, "difficulty", {"difficulty": difficulty(0, {f"s{i}": "kept" for i in range(3)})})
    do(run, 0, "augment", {"augmentations": []})
    do(run, 0, "rollout_augmented", {"rollouts": []})
    do(run, 0, "curate", {"curated": [Curated(i, row) for i, rows in enumerate(groups) for row in rows]})
    found = rows(run, "select vanishing_before, vanishing_after, num_trained from rounds")
    assert found == [{"vanishing_before": 2 / 3, "vanishing_after": 2 / 3, "num_trained": 3}]


def test_groups_by_hand(done: Run) -> None:
    sql = """
        select pass, sample_id, num_rollouts, mean_reward, std_reward, accuracy, normalised_reward, vanished
        from groups where round_index = 0 and sample_id in ('s0', 's1') order by sample_id, pass
    """
    assert [tuple(row.values()) for row in rows(done, sql)] == [
        ("original", "s0", 2, 1.0, 1.0, 0.5, 0.5, False),
        ("augmented", "s1", 2, 1.0, 1.0, 0.5, 0.5, False),
        ("control", "s1", 2, 2.0, 0.0, 1.0, 1.0, True),
        ("original", "s1", 2, 2.0, 0.0, 1.0, 1.0, True),
    ]


def test_effect_of_an_augmentation_is_after_minus_control_never_minus_before(done: Run) -> None:
    sql = """
        select sample_id, kind, reward_before, reward_control, reward_after, effect, vanished_control, vanished_after
        from augmentations order by sample_id
    """
    assert [tuple(row.values()) for row in rows(done, sql)] == [
        ("s1", "noise", 2.0, 2.0, 1.0, -1.0, True, False),
        ("s2", "hint", 0.0, 0.5, 1.0, 0.5, False, True),
        ("s3", "noise", 1.0, None, 1.0, None, None, False),  # no control: no effect is claimed
    ]


def hinted(r: int, sample_id: str, reason: str = "", *, leaked: bool = False, too_long: bool = False) -> Augmentation:
    kind: Kind = "none" if reason else "hint"
    plain = augmentation(sample_id, kind, control=False)
    return replace(plain, round_index=r, reason=reason, hint_leaked=leaked, hint_too_long=too_long)


def test_hints_by_hand(tmp_path: Path) -> None:
    """Two traces a sample; of s0's both are usable, of the others' one, of s3's none, which has no hint for it."""
    run = empty_run(str(tmp_path / "run"))
    for r in (0, 1):
        do(run, r, "select", {"selected": [Selected("r", r, i, r, f"s{i}") for i in range(4)]})
        do(run, r, "rollout", {"rollouts": groups(r, "original", ROUND_0)})
        do(run, r, "difficulty", {"difficulty": difficulty(r, dict.fromkeys(ROUND_0, "hard"))})
    traces = [
        HintTrace("r", r, f"s{i}", j, "", 1.0, usable=i < 3 and j <= (i == 0), chosen=False)
        for r in (0, 1) for i in range(4) for j in range(2)
    ]  # fmt: skip
    first = [hinted(0, "s0"), hinted(0, "s1", leaked=True), hinted(0, "s2", leaked=True, too_long=True)]
    first.append(hinted(0, "s3", "no_correct_trace"))
    second = [hinted(1, "s0", "leak", leaked=True), hinted(1, "s1", "context", too_long=True)]
    second += [hinted(1, "s2", "empty"), hinted(1, "s3", "no_trace")]
    for r, plan in enumerate((first, second)):
        tables = {"augmentations": plan, "hint_traces": [trace for trace in traces if trace.round_index == r]}
        do(run, r, "augment", tables)
    found = [tuple(row.values()) for row in rows(run, "from hints")]
    assert found == [
        (0, "multiple_choice", 4, 8, 4, 3, 2 / 3, 2, 1, 1, 0, 0, 0, 0),
        (1, "multiple_choice", 4, 8, 4, 0, 1 / 2, 0, 0, 0, 1, 1, 1, 1),
    ]


def test_effects_by_hand(tmp_path: Path) -> None:
    """Three hinted samples with effects 0, 1, 2: mean 1, standard error 1 / sqrt(3), Student's t 4.30 (here 4.17)."""
    run = empty_run(str(tmp_path / "run"))
    names = list(ROUND_0)
    do(run, 0, "select", {"selected": [Selected("r", 0, i, 0, name) for i, name in enumerate(names)]})
    do(run, 0, "rollout", {"rollouts": groups(0, "original", ROUND_0)})
    do(run, 0, "difficulty", {"difficulty": difficulty(0, dict.fromkeys(ROUND_0, "hard"))})
    plan = [augmentation(name, "hint" if name != "s3" else "noise", control=True) for name in names]
    plan[3] = replace(plan[3], level=1.0)
    do(run, 0, "augment", {"augmentations": plan})
    after = {"s0": (0.0, 0.0), "s1": (1.0, 1.0), "s2": (2.0, 2.0), "s3": (0.0, 1.0)}
    controls = groups(0, "control", dict.fromkeys(names, (0.0, 0.0)))
    do(run, 0, "rollout_augmented", {"rollouts": groups(0, "augmented", after) + controls})
    hint, noise = rows(run, "from effects")
    half = 4.17 / 3**0.5
    assert hint == {
        "kind": "hint", "level": 0.5, "num_samples": 3, "effect": 1.0,
        "effect_low": pytest.approx(1 - half, abs=0.01), "effect_high": pytest.approx(1 + half, abs=0.01),
        "vanished_control": 1.0, "vanished_after": 1.0,
    }  # fmt: skip
    assert noise == {
        "kind": "noise", "level": 0.9, "num_samples": 1, "effect": 0.5, "effect_low": None, "effect_high": None,
        "vanished_control": 1.0, "vanished_after": 0.0,
    }  # fmt: skip


def test_dropped_comes_from_every_stage_with_its_reason(done: Run) -> None:
    found = rows(done, "select stage, sample_id, reason, detail from dropped order by sample_id")
    assert [tuple(row.values()) for row in found] == [
        ("curate", "s2", "equal_rewards", ""),
        ("rollout", "s9", "video", "s9.mp4: no such video file"),
    ]


def test_stages_lists_each_attempt_with_its_rows(done: Run) -> None:
    found = rows(done, "select round_index, stage, attempt, current, num_rows from stages")
    counts = {(row["round_index"], row["stage"]): row["num_rows"] for row in found}
    assert len(found) == len(counts) == 11
    assert {(row["attempt"], row["current"]) for row in found} == {(0, True)}
    assert counts[0, "rollout"] == 8
    assert counts[0, "rollout_augmented"] == 10
    assert counts[0, "augment"] == 3 + 1  # its tables together
    assert counts[1, "difficulty"] == 2


def test_stale_attempts_leave_the_views_and_stay_in_stages(tmp_path: Path) -> None:
    run = two_rounds(empty_run(str(tmp_path / "run")))
    better = dict.fromkeys(ROUND_0, (2.0, 0.0))
    do(run, 0, "rollout", {"rollouts": groups(0, "original", better)}, force=True)
    for reader in (run, Run.open(run.files.url)):
        assert rows(reader, "select round_index, pass, count(*) as n from rollouts group by all order by 1") == [
            {"round_index": 0, "pass": "original", "n": 8},
            {"round_index": 1, "pass": "original", "n": 4},
        ]
        for view in ("augmentations", "curated", "dropped", "train_rollouts"):
            assert rows(reader, f"from {view}") == [], view
        assert rows(reader, "select distinct round_index from difficulty") == [{"round_index": 1}]
        first = rows(reader, "from rounds where round_index = 0")[0]
        assert (first["vanishing_before"], first["num_hard"], first["num_trained"]) == (0.0, None, None)
        assert first["validation_accuracy"] == 0.5  # evaluation does not read the rollouts
        assert first["seconds"] < SLOW_SECONDS  # the replaced attempt's time is not counted
        found = rows(reader, "select stage, attempt, current from stages where round_index = 0")
        assert {(row["stage"], row["attempt"]) for row in found if row["current"]} == {
            ("select", 0),
            ("rollout", 1),
            ("evaluate", 0),
        }
        assert len(found) == 9


def test_views_sql_gives_the_same_answers_in_plain_duckdb_wherever_the_run_lies(done: Run, tmp_path: Path) -> None:
    shutil.copytree(done.files.local(""), tmp_path / "moved")
    assert done.files.full("") not in (tmp_path / "moved" / layout.VIEWS).read_text()
    script = """
import duckdb, json, sys
connection = duckdb.connect()
connection.execute(open("views.sql").read())
found = {v: connection.sql(f"from {v} order by all").to_arrow_table().to_pylist() for v in sys.argv[1:]}
print(json.dumps(found, default=str))
"""
    command = [sys.executable, "-c", script, *VIEWS]
    shell = subprocess.run(command, cwd=tmp_path / "moved", stdout=subprocess.PIPE, check=True)
    expected = {view: rows(done, f"from {view} order by all") for view in VIEWS}
    assert json.loads(shell.stdout) == json.loads(json.dumps(expected, default=str))
    assert len(expected["rollouts"]) == 22


def test_views_sql_survives_a_shell_that_splits_it_at_every_semicolon(done: Run) -> None:
    """As harlequin does: a semicolon in a comment would leave a piece without a statement."""
    pieces = [piece for piece in done.files.read(layout.VIEWS).decode().split(";") if piece.strip()]
    assert [len(duckdb.extract_statements(piece)) for piece in pieces] == [1] * len(VIEWS)


def test_write_views_replaces_the_file_and_leaves_nothing_beside_it(tmp_path: Path) -> None:
    run = empty_run(str(tmp_path))
    write_views(run)
    before = (tmp_path / layout.VIEWS).read_text()
    do(run, 0, "select", {"selected": [Selected("r", 0, 0, 0, "s0")]})
    write_views(run)
    after = (tmp_path / layout.VIEWS).read_text()
    assert "rounds/00000/select" in after
    assert "rounds/00000/select" not in before
    assert list((tmp_path / ".scratch").iterdir()) == []


@pytest.mark.parametrize("name", ["it's a run", "runs[1]", "a*b?", "{x,y}", "100%20", "läufe"])
def test_a_run_directory_may_have_any_name(tmp_path: Path, name: str) -> None:
    run = empty_run(str(tmp_path / name))
    do(run, 0, "select", {"selected": [Selected("r", 0, 0, 0, "s0")]})
    assert rows(run, "select sample_id from selected") == [{"sample_id": "s0"}]


def test_an_object_store_has_the_same_views_and_the_same_lock() -> None:
    run = two_rounds(empty_run(f"memory://{uuid.uuid4().hex}/run"))
    assert rows(run, "select mean_reward, num_rollouts from rounds") == [
        {"mean_reward": 1.0, "num_rollouts": 18},
        {"mean_reward": 0.75, "num_rollouts": 4},
    ]
    for sql in ("from read_text('/etc/passwd')", f"from read_text('{run.files.full(layout.IDENTITY)}')"):
        with pytest.raises(UserError, match="Permission Error"):
            query(run, sql)


# What is allowed


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("select count(*) as n from rollouts", [{"n": 22}]),
        ("select count(*) as n from rollouts;", [{"n": 22}]),
        ("-- how many?\nselect count(*) as n from rollouts -- so many", [{"n": 22}]),
        ("from rounds select round_index order by 1", [{"round_index": 0}, {"round_index": 1}]),
        ("with t as (select 1 as a) select a + 1 as b from t", [{"b": 2}]),
        ("select 'copy; drop' as text", [{"text": "copy; drop"}]),
        ("select round_index, accuracy from rounds limit 1", [{"round_index": 0, "accuracy": 0.5}]),
        ("values (1), (2)", [{"col0": 1}, {"col0": 2}]),
        ("select 1 as a union all select 2", [{"a": 1}, {"a": 2}]),
    ],
)
def test_reading_statements_work(done: Run, sql: str, expected: list[dict[str, Any]]) -> None:
    assert rows(done, sql) == expected


@pytest.mark.parametrize(
    "sql",
    [
        "explain select * from rollouts",
        "EXPLAIN FROM rounds",
        "describe rollouts",
        "show tables",
        "summarize rollouts",
        "explain select 'analyze'",
        """explain select 1 as "analyze" -- analyze""",
    ],
)
def test_explain_and_describe_work(done: Run, sql: str) -> None:
    assert query(done, sql).num_rows > 0


# What is not


@pytest.mark.parametrize(
    "sql",
    [
        "copy (select 1) to '{out}/x.csv'",
        "copy rollouts to '{out}/x.parquet' (format parquet)",
        "copy rollouts from '{secret}'",
        "attach '{out}/x.db'",
        "attach '{out}/x.db' as other (read_only)",
        "export database '{out}/dump'",
        "import database '{out}/dump'",
        "install httpfs",
        "load httpfs",
        "update extensions",
        "set enable_external_access = true",
        "set allowed_directories = ['/']",
        "reset enable_external_access",
        "set variable a = 1",
        "pragma database_list",
        "pragma enable_profiling",
        "call pragma_version()",
        "checkpoint",
        "vacuum",
        "begin",
        "use memory",
        "prepare p as select 1",
        "create table t (a int)",
        "create or replace view rollouts as select 1",
        "create macro f() as 1",
        "drop view rollouts",
        "insert into samples select * from samples",
        "update samples set answer = 'B'",
        "delete from samples",
        "comment on view samples is 'x'",
        "explain analyze select 1",
        "explain analyze copy (select 1) to '{out}/x.csv'",
        "EXPLAIN (ANALYZE) SELECT 1",
        "explain /* */ analyze select 1",
        "explain /* /* */ */ analyze select 1",
        "explain -- x\n analyze select 1",
        "EXPLAIN (FORMAT json, ANALYZE) SELECT 1",
        "explain analyse select 1",
        "explain analyze/**/copy (select 1) to '{out}/x.csv'",
        "with t as (insert into samples select * from samples returning *) from t",
        "detach memory",
        "execute p",
        "select 1; select 2",
        "select 1; copy (select 1) to '{out}/x.csv'",
        "",
        "  ;  ",
        "-- nothing",
        "selekt 1",
        "select",
        "select * from nowhere",
    ],
)
def test_whatever_is_not_one_reading_statement_is_refused(done: Run, sql: str, tmp_path: Path) -> None:
    secret = tmp_path / "secret.csv"
    secret.write_text("a,b\n1,2\n")
    out = tmp_path / "out"
    out.mkdir()
    before = paths(done)
    with pytest.raises(UserError):
        query(done, sql.format(out=out, secret=secret))
    assert list(out.iterdir()) == []
    assert paths(done) == before


@pytest.mark.parametrize(
    "sql",
    [
        "from '{secret}'",
        "from read_csv('{secret}')",
        "from read_csv_auto('{secret}')",
        "from sniff_csv('{secret}')",
        "from read_text('{secret}')",
        "from read_blob('{secret}')",
        "from read_json('{secret}')",
        "from glob('{folder}/*')",
        "from read_text('{folder}/*')",
        "from read_csv('/etc/passwd')",
        "from read_text('/etc/passwd')",
        "from glob('/etc/*')",
        "from read_text('/proc/self/environ')",
        "from read_parquet('{parquet}')",
        "from '{parquet}'",
        "from parquet_metadata('{parquet}')",
        "from read_parquet('{folder}/*.parquet')",
        "from read_parquet(['{shard}', '{parquet}'])",
        "from read_parquet('http://127.0.0.1:9/x.parquet')",
        "from read_parquet('s3://bucket/x.parquet')",
        "from read_text('{run}/run.json')",
        "from read_json('{run}/run.json')",
        "from '{run}/run.json'",
        "from read_text('{run}/settings/00000.json')",
        "from read_text('{manifest}')",
        "from glob('{run}/*')",
        "from read_parquet('{run}/rounds/*/*/*/*/*.parquet')",
        "from read_text('{run}/empty/../run.json')",
        "from read_parquet('{run}/empty/../../outside.parquet')",
        "from query('copy (select 1) to ''{folder}/x.csv''')",
        "with t as (from read_text('{secret}')) select * from t",
        "select (select content from read_text('{secret}')) as a",
        "select * from rollouts where exists (from read_text('{secret}'))",
        "explain from read_csv('{secret}')",
        "explain copy (select 1) to '{folder}/x.csv'",
    ],
)
def test_no_query_reads_or_writes_another_file(done: Run, sql: str, tmp_path: Path) -> None:
    secret, parquet = tmp_path / "secret.csv", tmp_path / "other.parquet"
    secret.write_text("a,b\n1,2\n")
    manifest = next(m for m in done.ledger.manifests() if m.rows("rollouts"))
    shard = done.files.full(manifest.table_files("rollouts")[0])
    shutil.copy(shard, parquet)
    run = done.files.local("")
    shutil.copy(shard, run.parent / "outside.parquet")
    places = {"secret": secret, "folder": tmp_path, "parquet": parquet, "shard": shard, "run": run}
    places["manifest"] = done.files.local(f"{manifest.folder}/{layout.MANIFEST}")
    before = {path: sha256_file(path) for path in tmp_path.iterdir()}
    with pytest.raises(UserError, match=r"Permission Error|single SELECT"):
        query(done, sql.format(**places))
    assert {path: sha256_file(path) for path in tmp_path.iterdir()} == before


def test_the_run_s_own_shards_may_be_read_by_name(done: Run) -> None:
    """The refusals above are about the file, not about `read_parquet`."""
    manifest = next(m for m in done.ledger.manifests() if m.rows("selected"))
    path = done.files.full(manifest.table_files("selected")[0])
    assert rows(done, f"select count(*) as n from read_parquet('{path}')") == [{"n": 4}]


@pytest.mark.parametrize("name", ["run", "sql", "rows", "schema", "kinds"])
def test_names_of_python_variables_are_no_tables(done: Run, name: str) -> None:
    with pytest.raises(UserError, match=f"Table with name {name} does not exist"):
        query(done, f"from {name}")


@pytest.mark.parametrize("sql", ["set threads = 1", "set enable_external_access = true", "reset allowed_paths"])
def test_a_connection_cannot_unlock_itself(done: Run, sql: str) -> None:
    connection = connect(done)
    assert connection.sql("select count(*) from rollouts").fetchall() == [(22,)]
    with pytest.raises(duckdb.InvalidInputException, match="configuration has been locked"):
        connection.execute(sql)


def test_columns_of_one_name_are_told_apart(done: Run) -> None:
    assert rows(done, "select 1 as a, 2 as a, 3 as a_1, 4 as a") == [{"a": 1, "a_1": 2, "a_1_1": 3, "a_2": 4}]


def test_what_does_not_fit_into_memory_is_not_written_anywhere(done: Run) -> None:
    settings = connect(done).sql("select current_setting('temp_directory') as folder").fetchall()
    assert settings == [("",)]


def test_an_error_is_one_line_that_says_what_is_wrong(done: Run) -> None:
    with pytest.raises(UserError) as caught:
        query(done, "select nope from rollouts")
    assert "nope" in str(caught.value)
    assert "\n" not in str(caught.value)
    with pytest.raises(UserError, match="found SELECT, DROP"):
        query(done, "select 1; drop view rollouts")
