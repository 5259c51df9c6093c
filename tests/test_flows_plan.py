"""`run --dry-run`: what would be done and how much, told without touching anything."""

import re

import pytest
from conftest import call
from small_run import SMALL

from flows.amounts import Amounts, prompt_tokens, stage_amounts
from flows.plan import make_plan
from flows.plan_view import folded, number
from flows.stage_specs import SPECS
from stages.config import VideoConfig
from storage.errors import UserError
from storage.query import query
from storage.run import Run

SETS = [part for override in SMALL for part in ("--set", override)]


def everything(folder):
    """Every file and folder below, with size and time of change."""
    return {p: (p.stat().st_size, p.stat().st_mtime_ns) for p in [folder, *folder.rglob("*")]}


def one(run, sql):
    (row,) = query(run, sql).to_pylist()
    return row


def test_a_fresh_directory_is_not_even_created(capfd, tmp_path):
    for command in (["run", "tiny", *SETS], ["demo"]):
        code, out, err = call(capfd, *command, "--dry-run", "--run-dir", tmp_path / "new" / "run")
        assert (code, err) == (0, "")
        assert f"{tmp_path / 'new' / 'run'}: a new run; nothing is written" in out
        assert "reuse" not in out
    assert list(tmp_path.iterdir()) == []


def test_the_demos_plan_is_this(capfd, tmp_path):
    _, out, _ = call(capfd, "demo", "--dry-run", "--run-dir", tmp_path / "run")
    rows = [line.split() for line in out.splitlines()]
    assert "0 32 256 128 12288 4 13.7 MB 407.6 kB".split() in rows
    assert "1-2 32 256 512 128 28672 4 13.7 MB 10.3 MB".split() in rows
    assert "all 96 768 1024 256 256 73728 12 41.1 MB 21.0 MB".split() in rows
    assert ["1-2", *["do"] * 7] in rows


@pytest.mark.parametrize(
    "changes", [["rounds=100"], ["rounds=1000", "rollout.max_new_tokens=4096", "engine.max_model_len=8192"]]
)
def test_the_tables_fit_eighty_columns_whatever_the_size(capfd, tmp_path, changes):
    sets = [part for change in changes for part in ("--set", change)]
    _, out, _ = call(capfd, "run", "tiny", "--dry-run", "--run-dir", tmp_path / "run", *sets)
    tables = [line for line in out.splitlines() if re.match(r" +(round|\d|all|─)", line)]
    assert 10 < len(tables) < 20
    assert max(map(len, tables)) <= 80


def test_a_complete_run_has_nothing_left_to_do_and_is_not_touched(capfd, three_rounds):
    before = everything(three_rounds)
    code, out, _ = call(capfd, "run", "tiny", *SETS, "--set", "rounds=3", "--dry-run", "--run-dir", three_rounds)
    assert code == 0
    assert "nothing is left to do" in out
    assert not re.search(r"\b(do|redo|retry|resume) ", out.split("nothing is left")[0].split("─")[-1])
    assert everything(three_rounds) == before


def test_what_changed_settings_make_stale_is_said_and_planned_and_no_more(capfd, three_rounds):
    before = everything(three_rounds)
    changed = ["--set", "rounds=4", "--set", "curate.shard_size=7"]
    code, out, _ = call(capfd, "run", "tiny", *SETS, *changed, "--dry-run", "--run-dir", three_rounds)
    assert code == 0
    assert re.search(r"changed settings make \d+ completed stages stale \(00000/curate, 00000/train, ", out)
    assert "`run` needs --accept-changes" in out
    rows = [line.split() for line in out.splitlines()]
    assert ["0", *["reuse"] * 5, "redo", "redo", "reuse"] in rows
    assert ["3", *["do"] * 7, "redo"] in rows
    assert everything(three_rounds) == before
    stale = set(re.search(r"stale \((.*?)\)", out)[1].split(", "))
    assert stale == set(re.search(r"stale \((.*?)\)", refused(three_rounds, changed))[1].split(", "))


def refused(folder, changed):
    """What the run itself says to the same settings."""
    from rich.console import Console

    from flows.config import load_config
    from flows.session import open_session

    overrides = [*SMALL, *(part for part in changed if part != "--set")]
    with (
        pytest.raises(UserError) as caught,
        open_session(str(folder), load_config("tiny", overrides), Console(quiet=True)),
    ):
        pass
    return str(caught.value)


def test_the_plan_of_a_run_bounds_what_the_run_then_did(three_rounds, small_config, tmp_path):
    config = small_config.model_copy(update={"rounds": 3})
    plan = make_plan(str(tmp_path / "new"), config)
    planned = sum((plan.amounts(r) for r in plan.rounds), Amounts())
    run = Run.open(str(three_rounds))
    done = one(run, "select count(*) as n, sum(len(response_token_ids))::bigint as tokens from rollouts")
    original = one(run, "select count(*) as n from rollouts where pass = 'original'")["n"]
    assert planned.samples == one(run, "select count(*) as n from selected")["n"]
    assert planned.original == original
    assert planned.augmented >= done["n"] - original > 0
    assert planned.traces >= one(run, "select count(*) as n from hint_traces")["n"] > 0
    assert planned.validation == one(run, "select count(*) as n from evaluations")["n"]
    assert planned.tokens > done["tokens"]
    assert planned.steps >= one(run, "select count(*) as n from train_steps")["n"] > 0
    files = run.files.walk("rounds") | run.files.walk("videos")
    checkpoints = sum(size for path, size in files.items() if "/checkpoint-" in path or "/optimizer-" in path)
    assert planned.checkpoint_bytes == pytest.approx(checkpoints, rel=0.01)
    assert planned.other_bytes > 0.5 * sum(s for path, s in files.items() if path.endswith((".parquet", ".avi")))


def test_the_first_round_augments_nothing_and_switches_count(small_config, tmp_path):
    plan = make_plan(str(tmp_path), small_config)
    assert stage_amounts(small_config, plan.size, "augment", 0, plan.num_validation) == Amounts()
    for change, amounts in (
        ({"decreasing": "off"}, {"traces": 0, "augmented": 80}),
        ({"decreasing": "cue"}, {"traces": 20, "augmented": 80}),
        ({"control_fraction": 0.0}, {"traces": 20, "augmented": 40}),
        ({"decreasing": "off", "increasing": "off"}, {"traces": 0, "augmented": 0}),
    ):
        augment = small_config.augment.model_copy(update=change)
        config = small_config.model_copy(update={"augment": augment})
        total = sum((stage_amounts(config, plan.size, stage, 1, plan.num_validation) for stage in SPECS), Amounts())
        assert {name: getattr(total, name) for name in amounts} == amounts


def test_an_absolute_reference_augments_in_the_first_round_and_a_share_bounds_it(small_config, tmp_path):
    plan = make_plan(str(tmp_path), small_config)
    config = small_config.model_copy(
        update={
            "difficulty": small_config.difficulty.model_copy(update={"reference": "absolute"}),
            "augment": small_config.augment.model_copy(update={"max_share": 0.25}),
        }
    )
    assert (
        stage_amounts(config, plan.size, "augment", 0, plan.num_validation).traces == 2 * 2
    )  # 2 of 10 samples, 2 traces each
    assert stage_amounts(config, plan.size, "rollout_augmented", 0, plan.num_validation).augmented == 2 * 2 * 4


@pytest.mark.parametrize(
    ("change", "writes"),
    [
        ({"decreasing": "off"}, True),
        ({"decreasing": "off", "increasing": "mask"}, True),
        ({"decreasing": "cue", "increasing": "off"}, True),
        ({"decreasing": "hint", "increasing": "off"}, False),
        ({"decreasing": "cue", "increasing": "mask", "storage": "seed"}, False),
    ],
)
def test_only_videos_that_are_written_count_as_bytes(small_config, tmp_path, change, writes):
    plan = make_plan(str(tmp_path), small_config)
    config = small_config.model_copy(update={"augment": small_config.augment.model_copy(update=change)})
    videos = 10 * config.video.num_frames * config.video.max_pixels * 3
    assert (stage_amounts(config, plan.size, "augment", 1, plan.num_validation).other_bytes >= videos) == writes


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("seed=5", "its seed differ"),
        ("data.num_train=25", "its data differ"),
        ("select.samples_per_round=999", "a round holds each sample at most once"),
        ("model.path=/nowhere", "no checkpoint is there"),
    ],
)
def test_what_the_run_would_refuse_the_plan_refuses(capfd, two_rounds, change, said):
    before = everything(two_rounds)
    code, _, err = call(capfd, "run", "tiny", *SETS, "--set", change, "--dry-run", "--run-dir", two_rounds)
    assert code == 2
    assert said in err
    assert err.count("\n") == 1
    assert everything(two_rounds) == before


@pytest.mark.parametrize(
    ("video_share", "image_share", "tokens"),
    [
        (1.0, 0.0, 8 * 81 + 100),  # two of 16 frames a step, 252 / 28 patches a side
        (1.0, 1.0, 9 * 81 + 100),
        (0.0, 1.0, 81 + 100),
        (0.5, 0.75, 385 + 100),  # 4.75 steps, rounded
    ],
)
def test_a_prompts_length_counts_video_and_image(small_config, video_share, image_share, tokens):
    video = VideoConfig(num_frames=16, max_pixels=252 * 252)
    assert prompt_tokens(small_config.model_copy(update={"video": video}), video_share, image_share) == tokens


def test_rounds_alike_are_one_row():
    assert folded([(0, "a"), (1, "b"), (2, "b"), (3, "a"), (4, "c")]) == [("0 (x2)", "a"), ("1-2", "b"), ("4", "c")]


@pytest.mark.parametrize(
    ("count", "text"), [(7, "7"), (99_999, "99999"), (123_456, "123.5 k"), (2_990_000, "2.99 M"), (10**13, "10.00 T")]
)
def test_numbers_stay_short(count, text):
    assert number(count) == text
