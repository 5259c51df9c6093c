"""RLOO by hand, against a slow loop, and its baseline."""

import pytest
import torch
from loss_batch import SIZE, f64, gradient, one_token, ragged

from trainer.advantage import leave_one_out
from trainer.losses.reinforce import reinforce
from trainer.losses.rloo import rloo


def test_by_hand() -> None:
    # The others' means: 1.5, 1, 0.5 -> A = -1.5, 0, 1.5.
    assert leave_one_out(f64([0, 1, 2]), 3).tolist() == pytest.approx([-1.5, 0, 1.5])
    batch = one_token([0.0, 0.0, 0.0], [0, 1, 2])
    found = gradient(lambda b: rloo(b.policy, b.rewards, b.mask, group_size=3), batch)
    assert found.tolist() == pytest.approx([0.5, 0, -0.5])


@pytest.mark.parametrize("seed", range(3))
def test_agrees_with_a_slow_loop(seed: int) -> None:
    batch = ragged(seed)
    rewards, total = batch.rewards.tolist(), 0.0
    for i, reward in enumerate(rewards):
        others = [rewards[j] for j in range(i - i % SIZE, i - i % SIZE + SIZE) if j != i]
        logp = sum(batch.policy[i, t].item() for t in range(batch.mask.shape[1]) if batch.mask[i, t])
        total += (reward - sum(others) / len(others)) * logp
    loss = rloo(batch.policy, batch.rewards, batch.mask, group_size=SIZE)
    assert loss.item() == pytest.approx(-total / len(rewards), rel=1e-12)


def test_it_is_reinforce_with_the_groups_mean_times_g_over_g_minus_one() -> None:
    batch = ragged(3)
    centred = batch.rewards - batch.rewards.reshape(-1, SIZE).mean(dim=1).repeat_interleave(SIZE)
    expected = SIZE / (SIZE - 1) * reinforce(batch.policy, centred, batch.mask)
    torch.testing.assert_close(rloo(batch.policy, batch.rewards, batch.mask, group_size=SIZE), expected)


def test_equal_rewards_whose_mean_rounds_are_exactly_zero_and_pairs_are_opposite() -> None:
    assert leave_one_out(f64([0.1, 0.1, 0.1]), 3).tolist() == [0, 0, 0]
    assert leave_one_out(f64([0.0, 1.0]), 2).tolist() == [-1, 1]


def test_incomplete_groups_are_refused() -> None:
    batch = ragged(0)
    with pytest.raises(ValueError, match=r"shape \(12,\) for groups of 5"):
        rloo(batch.policy, batch.rewards, batch.mask, group_size=5)
