"""The best and the worst of a group: by hand, with ties by seed, and of equal rewards."""

import torch

from trainer.pairs import best_and_worst


def test_by_hand() -> None:
    rewards = torch.tensor([0.0, 2.0, 1.0, 1.5, 0.5, 3.0])
    assert best_and_worst(rewards, 3, [7, 7]).tolist() == [[1, 0], [5, 4]]


def test_ties_are_drawn_by_the_groups_seed_and_each_can_win() -> None:
    rewards = torch.tensor([2.0, 0.0, 2.0, 0.0, 1.0])
    drawn = [tuple(best_and_worst(rewards, 5, [seed])[0].tolist()) for seed in range(40)]
    assert drawn == [tuple(best_and_worst(rewards, 5, [seed])[0].tolist()) for seed in range(40)]
    assert set(drawn) == {(best, worst) for best in (0, 2) for worst in (1, 3)}
    assert {drawn.count(pair) > 3 for pair in set(drawn)} == {True}


def test_a_groups_pair_does_not_depend_on_the_others() -> None:
    rewards = torch.tensor([2.0, 2.0, 0.0, 0.0])
    both = best_and_worst(torch.cat([1 - rewards, rewards]), 4, [3, 5])
    assert both[1].tolist() == (best_and_worst(rewards, 4, [5])[0] + 4).tolist()


def test_equal_rewards_give_two_different_responses() -> None:
    for seed in range(20):
        best, worst = best_and_worst(torch.ones(2), 2, [seed])[0].tolist()
        assert best != worst
