"""Mean rewards of original groups, by hand."""

from __future__ import annotations

import uuid
from pathlib import Path

import numpy as np
import pytest
from conftest import rollout_with

from storage.difficulty import difficulty
from storage.files import Files
from storage.groups import group_rewards
from storage.layout import address
from storage.records import Pass, Rollout
from storage.shards import Attempt, Manifest


def group(
    round_index: int, index: int, sample_id: str, rewards: tuple[float, ...], most: float = 2.0, name: Pass = "original"
) -> list[Rollout]:
    return [
        rollout_with(
            round_index=round_index,
            pass_=name,
            sample_id=sample_id,
            group_index=index,
            rollout_index=i,
            policy_version=round_index,
            reward=reward,
            max_reward=most,
        )
        for i, reward in enumerate(rewards)
    ]


def manifest(files: Files, round_index: int, *shards: list[Rollout]) -> Manifest:
    attempt = Attempt(files, address(round_index, "rollout"), "k", 0, 1, {}, 7, {})
    for i, rows in enumerate(shards):
        attempt.write(i, {"rollouts": rows, "dropped": []})
    return attempt.commit(len(shards), {})


@pytest.fixture(params=["local", "memory"])
def files(request: pytest.FixtureRequest, tmp_path: Path) -> Files:
    return Files(tmp_path / "it's [a] run" if request.param == "local" else f"memory://{uuid.uuid4().hex}/run")


def test_means_by_hand_over_rounds_shards_and_passes(files: Files) -> None:
    first = manifest(
        files,
        0,
        [*group(0, 1, "b", (2.0, 1.0)), *group(0, 0, "a", (3.0, 0.0, 0.0), most=3.0)],
        [*group(0, 2, "c", (0.0, 0.0)), *group(0, 1, "b", (2.0, 2.0), name="augmented")],
    )
    second = manifest(files, 1, [*group(1, 3, "a", (-1.0, 2.0)), *group(1, 3, "a", (2.0, 2.0), name="control")])
    assert group_rewards(files, [second, first]).to_pylist() == [
        {"round_index": 0, "group_index": 0, "sample_id": "a", "mean_reward": pytest.approx(1 / 3)},
        {"round_index": 0, "group_index": 1, "sample_id": "b", "mean_reward": 0.75},
        {"round_index": 0, "group_index": 2, "sample_id": "c", "mean_reward": 0.0},
        {"round_index": 1, "group_index": 3, "sample_id": "a", "mean_reward": 0.25},
    ]


def test_the_means_are_what_difficulty_starts_from(files: Files) -> None:
    first = manifest(files, 0, group(0, 0, "a", (2.0, 2.0)), group(0, 1, "b", (0.0, 1.0)))
    second = manifest(files, 1, group(1, 2, "a", (0.0, 0.0)))
    found = difficulty(group_rewards(files, [first, second]), round_index=1, window_size=100)
    assert found.to_pylist() == [
        {"sample_id": "a", "mean_reward": 0.0, "window_reward": 0.625, "difficulty": 0.625, "window_groups": 2}
    ]


def test_the_same_shards_give_the_same_bits(files: Files) -> None:
    rewards = np.random.default_rng(0).uniform(0, 2, (40, 8))
    rows = [row for i, r in enumerate(rewards) for row in group(0, i, f"s{i}", tuple(map(float, r)))]
    found = manifest(files, 0, *(rows[i : i + 40] for i in range(0, 320, 40)))
    means = [group_rewards(files, [found])["mean_reward"].to_pylist() for _ in range(5)]
    assert all(again == means[0] for again in means)
    assert means[0] == pytest.approx((rewards / 2).mean(axis=1))


def test_no_rollouts_give_an_empty_table_of_the_same_columns(files: Files) -> None:
    full = group_rewards(files, [manifest(files, 0, group(0, 0, "a", (1.0, 2.0)))])
    nothing = [group_rewards(files, []), group_rewards(files, [manifest(files, 1)])]
    nothing.append(group_rewards(files, [manifest(files, 2, [])]))
    for empty in nothing:
        assert empty.num_rows == 0
        assert empty.column_names == full.column_names
        assert empty.schema.types == full.schema.types
        assert difficulty(empty, round_index=0, window_size=5).num_rows == 0
