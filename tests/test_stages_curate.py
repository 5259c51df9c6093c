from dataclasses import replace

import numpy as np
import pytest

from stages.curate import curate
from storage.records import Rollout

EMPTY = np.zeros(0, np.int32)


def group(sample_id, pass_, rewards):
    base = Rollout(
        "run", 0, pass_, sample_id, f"{pass_}/{sample_id}", 0, 0, 0, "number", "", EMPTY, "", EMPTY, EMPTY, "stop",
        0.0, 0.0, 0.0, None, 2.0, None, 0, "none", 0.0, "", "", EMPTY, 1.0, 8, 784, 784, 1.0,
    )  # fmt: skip
    return [replace(base, rollout_index=i, reward=reward) for i, reward in enumerate(rewards)]


def curated(rollouts, seed=0):
    groups, dropped = curate(rollouts, run_id="run", seed=seed, round_index=0)
    return [(g[0].rollout.sample_id, g[0].rollout.pass_) for g in groups], [
        (d.sample_id, d.pass_, d.reason) for d in dropped
    ]


def test_an_augmented_sample_trains_on_its_augmented_group_and_controls_never():
    rollouts = group("a", "original", [0, 1]) + group("a", "augmented", [1, 2]) + group("a", "control", [0, 2])
    assert curated(rollouts) == ([("a", "augmented")], [])


def test_equal_rewards_are_dropped_with_the_reason():
    rollouts = group("a", "original", [1, 1]) + group("b", "original", [0, 1])
    assert curated(rollouts) == ([("b", "original")], [("a", "original", "equal_rewards")])


def test_a_vanished_augmented_group_does_not_bring_its_original_back():
    rollouts = group("a", "original", [0, 1]) + group("a", "augmented", [2, 2])
    assert curated(rollouts) == ([], [("a", "augmented", "equal_rewards")])


def test_the_order_is_seeded_and_independent_of_the_rows_order():
    rollouts = [row for i in range(9) for row in group(f"s{i}", "original", [0, 1])]
    order, _ = curated(rollouts)
    assert order == curated(rollouts[::-1])[0]
    assert order != curated(rollouts, seed=1)[0]
    assert sorted(order) == [(f"s{i}", "original") for i in range(9)]


def test_rollouts_keep_their_index_order_within_a_group():
    groups, _ = curate(group("a", "original", [0, 1, 2])[::-1], run_id="run", seed=0, round_index=0)
    assert [row.rollout.rollout_index for row in groups[0]] == [0, 1, 2]


@pytest.mark.parametrize("rollouts", [[], group("a", "original", [1, 1])])
def test_nothing_to_train_on_is_no_error(rollouts):
    assert curated(rollouts)[0] == []
