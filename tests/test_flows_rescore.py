"""`deepvideo rescore`: the same responses under other reward settings, without an engine."""

import shutil

import pytest
from conftest import call
from small_run import complete_in_child

from flows.config import resolve_config
from storage.query import query
from storage.run import Run

HALF = "rewards.format_weight=0.5"


def rows(folder, columns="* exclude (reward, max_reward)", table="rollouts"):
    where = "round_index = 0" + (" and pass = 'original'" if table == "rollouts" else "")
    return query(Run.open(str(folder)), f"select {columns} from {table} where {where} order by all").to_pylist()


def test_rewards_change_and_nothing_else_and_run_goes_on_without_generating_again(
    capfd, two_rounds, tmp_path, small_config
):
    folder = tmp_path / "run"
    shutil.copytree(two_rounds, folder)
    before = rows(folder)
    code, out, _ = call(capfd, "rescore", "--round", 0, "--run-dir", folder, "--set", HALF)
    assert code == 0
    assert "00000/rollout: 40 responses graded again" in out
    assert "00000/evaluate: 6 responses graded again" in out
    assert "stale now" in out
    assert "00000/train" in out
    assert rows(folder) == before
    graded = rows(folder, "reward, reward_format, reward_accuracy, reward_iou, max_reward")
    assert len(graded) == 40
    for row in graded:
        assert row["reward"] == 0.5 * row["reward_format"] + row["reward_accuracy"] + (row["reward_iou"] or 0.0)
        assert row["max_reward"] == (1.5 if row["reward_iou"] is None else 2.5)
    changed = resolve_config(small_config.model_dump(), [HALF], "test")
    complete_in_child(folder, changed)
    ledger = Run.open(str(folder)).ledger
    source = ledger.current("00000/rollout").info["rescored_from"]
    assert source.startswith("rounds/00000/rollout/")  # the run did not sample this stage again
    assert ledger.current("00001/train") is not None
    assert call(capfd, "rescore", "--round", 0, "--run-dir", folder)[1].strip().startswith("nothing to do")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--round", 0, "--set", "rollout.temperature=0.5", "--set", HALF], "more than rewards changed (rollout)"),
        (["--round", 1, "--set", HALF], "rescore round 0"),
        (["--round", 7, "--set", HALF], "no stored responses"),
        (["--round", 0, "--set", "rewards.accuracy_weight=0"], "greater than 0"),
        (["--round", 0, "--set", "rewards.format=2"], "did you mean rewards.format_weight?"),
    ],
)
def test_what_cannot_be_graded_again_says_why_and_changes_nothing(capfd, two_rounds, arguments, said):
    before = sorted(path for path in two_rounds.rglob("*") if "logs" not in path.parts)
    code, _, err = call(capfd, "rescore", "--run-dir", two_rounds, *arguments)
    assert code == 2
    assert said in err
    assert sorted(path for path in two_rounds.rglob("*") if "logs" not in path.parts) == before
