"""Reward-Regression by hand, against a slow loop, its gradient, and what it is blind to."""

import math

import pytest
import torch
from loss_batch import SIZE, f64, gradient, one_token, ragged

from trainer.losses.reward_regression import reward_regression


def loss_of(rho, rewards, kl_strength=1.0):
    batch = one_token(rho, rewards)
    loss = reward_regression(
        batch.policy, batch.old, batch.rewards, batch.mask, group_size=len(rho), kl_strength=kl_strength
    )
    return loss.item()


def test_by_hand() -> None:
    # R = 0, log 3: the mean of exp(R) is 2. (0 - log 2)^2 and (log 3 - log 2)^2, halved.
    expected = (math.log(2) ** 2 + math.log(1.5) ** 2) / 2
    assert loss_of([0, 0], [0, math.log(3)]) == pytest.approx(expected)
    # At rho = R - log 2, the exact solution of Eq. 6, nothing is left.
    assert loss_of([-math.log(2), math.log(1.5)], [0, math.log(3)]) == pytest.approx(0.0, abs=1e-12)
    # lambda = 2 and twice the rewards: Z is the same, the loss four times.
    assert loss_of([0, 0], [0, 2 * math.log(3)], kl_strength=2) == pytest.approx(4 * expected)


@pytest.mark.parametrize("kl_strength", [0.3, 1.0, 2.0])
@pytest.mark.parametrize("seed", range(3))
def test_agrees_with_a_slow_loop(seed: int, kl_strength: float) -> None:
    batch = ragged(seed)
    rewards, total = batch.rewards.tolist(), 0.0
    for i, reward in enumerate(rewards):
        group = rewards[i - i % SIZE : i - i % SIZE + SIZE]
        log_z = math.log(sum(math.exp(r / kl_strength) for r in group) / SIZE)
        rho = sum((batch.policy[i, t] - batch.old[i, t]).item() for t in range(6) if batch.mask[i, t])
        total += (reward - kl_strength * rho - kl_strength * log_z) ** 2
    loss = reward_regression(
        batch.policy, batch.old, batch.rewards, batch.mask, group_size=SIZE, kl_strength=kl_strength
    )
    assert loss.item() == pytest.approx(total / len(rewards), rel=1e-12)


def test_gradient() -> None:
    rewards, rho, strength = f64([0.0, 1.0, 3.0, 1.0]), f64([0.2, -0.1, 0.4, 0.0]), 0.5
    log_z = (rewards / strength).exp().mean().log()
    expected = -2 * strength / 4 * (rewards - strength * rho - strength * log_z)
    batch = one_token(rho.tolist(), rewards.tolist())
    found = gradient(
        lambda b: reward_regression(b.policy, b.old, b.rewards, b.mask, group_size=4, kl_strength=strength), batch
    )
    torch.testing.assert_close(found, expected)


def test_a_shift_of_rewards_is_free_and_one_of_rho_is_seen() -> None:
    rho, rewards = [0.2, -0.1, 0.4, 0.0], [0.0, 1.0, 3.0, 1.0]
    assert loss_of(rho, [r + 700 for r in rewards]) == pytest.approx(loss_of(rho, rewards))
    assert abs(loss_of([r + 1 for r in rho], rewards) - loss_of(rho, rewards)) > 0.01


def test_equal_rewards_pull_each_log_ratio_to_zero() -> None:
    batch = one_token([0.5, -0.25], [1.0, 1.0])
    found = gradient(lambda b: reward_regression(b.policy, b.old, b.rewards, b.mask, group_size=2), batch)
    assert found.tolist() == pytest.approx([0.5, -0.25])


def test_a_small_lambda_does_not_overflow() -> None:
    assert math.isfinite(loss_of([0, 0], [0, 2], kl_strength=1e-3))


def test_lambda_must_be_above_zero() -> None:
    batch = ragged(0)
    with pytest.raises(ValueError, match=r"kl_strength is 0.0: .* use 1"):
        reward_regression(batch.policy, batch.old, batch.rewards, batch.mask, group_size=SIZE, kl_strength=0.0)
