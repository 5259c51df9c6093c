import pytest
from conftest import rollout_with

from stages.curate import curate


def group(sample_id, pass_, rewards):
    return [
        rollout_with(sample_id=sample_id, pass_=pass_, rollout_index=i, reward=reward)
        for i, reward in enumerate(rewards)
    ]


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


def test_equal_rewards_are_kept_if_asked_each_sample_once():
    rollouts = group("a", "original", [1, 1]) + group("b", "original", [0, 1]) + group("b", "augmented", [2, 2])
    groups, dropped = curate(rollouts, run_id="run", seed=0, round_index=0, keep_equal=True)
    assert {(g[0].rollout.sample_id, g[0].rollout.pass_) for g in groups} == {("a", "original"), ("b", "augmented")}
    assert dropped == []


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
