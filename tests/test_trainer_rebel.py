"""REBEL by hand, over all pairs in a slow loop, its gradient, and what it is blind to."""

import itertools

import pytest
import torch
from loss_batch import SIZE, f64, gradient, one_token, ragged

from trainer.losses.rebel import rebel


def loss_of(rho, rewards, eta=1.0):
    batch = one_token(rho, rewards)
    return rebel(batch.policy, batch.old, batch.rewards, batch.mask, group_size=len(rho), eta=eta).item()


def test_by_hand() -> None:
    # Two responses: ((0.3 - 0.1) / 0.5 - (2 - 1))^2 = 0.36, in either order.
    assert loss_of([0.3, 0.1], [2, 1], eta=0.5) == pytest.approx(0.36)
    # Three, rho = 0: differences 1, 2, 1: (1 + 4 + 1) / 3.
    assert loss_of([0, 0, 0], [0, 1, 2]) == pytest.approx(2.0)


@pytest.mark.parametrize("eta", [0.3, 1.0, 2.0])
@pytest.mark.parametrize("seed", range(3))
def test_the_group_form_is_the_mean_over_all_pairs(seed: int, eta: float) -> None:
    batch = ragged(seed)
    rewards, mask = batch.rewards.tolist(), batch.mask.tolist()
    difference = (batch.policy - batch.old).tolist()
    rho = [sum(d for d, on in zip(row, shown, strict=True) if on) for row, shown in zip(difference, mask, strict=True)]
    groups = []
    for start in range(0, len(rewards), SIZE):
        pairs = list(itertools.permutations(range(start, start + SIZE), 2))
        groups.append(sum(((rho[i] - rho[j]) / eta - (rewards[i] - rewards[j])) ** 2 for i, j in pairs) / len(pairs))
    loss = rebel(batch.policy, batch.old, batch.rewards, batch.mask, group_size=SIZE, eta=eta)
    assert loss.item() == pytest.approx(sum(groups) / len(groups), rel=1e-12)


def test_gradient_and_minimum() -> None:
    rewards, eta = f64([0.0, 1.0, 3.0, 1.0]), 0.5

    def loss(b):
        return rebel(b.policy, b.old, b.rewards, b.mask, group_size=4, eta=eta)

    rho = f64([0.2, -0.1, 0.4, 0.0])
    expected = 4 / (3 * eta) * ((rho - rho.mean()) / eta - (rewards - rewards.mean()))
    torch.testing.assert_close(gradient(loss, one_token(rho.tolist(), rewards.tolist())), expected)
    best = one_token((eta * rewards + 5).tolist(), rewards.tolist())  # up to a shift, which is free
    assert loss(best).item() == pytest.approx(0.0, abs=1e-12)


def test_a_shift_of_rho_is_free_and_its_scale_is_seen() -> None:
    rho, rewards = [0.2, -0.1, 0.4, 0.0], [0.0, 1.0, 3.0, 1.0]
    assert loss_of([r + 7 for r in rho], rewards) == pytest.approx(loss_of(rho, rewards))
    assert abs(loss_of([2 * r for r in rho], rewards) - loss_of(rho, rewards)) > 0.01


def test_equal_rewards_pull_the_log_ratios_together() -> None:
    batch = one_token([0.5, -0.5], [1.0, 1.0])
    found = gradient(lambda b: rebel(b.policy, b.old, b.rewards, b.mask, group_size=2), batch)
    assert found.tolist() == pytest.approx([2.0, -2.0])


def test_groups_of_two_keep_a_gradient_on_both_sides_of_the_minimum() -> None:
    def loss(b):
        return rebel(b.policy, b.old, b.rewards, b.mask, group_size=2)

    assert gradient(loss, one_token([0.0, 0.5], [0, 1])).tolist() == pytest.approx([1.0, -1.0])
    assert gradient(loss, one_token([0.0, 1.5], [0, 1])).tolist() == pytest.approx([-1.0, 1.0])


@pytest.mark.parametrize("eta", [0.0, -1.0])
def test_eta_must_be_above_zero(eta: float) -> None:
    batch = ragged(0)
    with pytest.raises(ValueError, match=f"eta is {eta}: .* use 1"):
        rebel(batch.policy, batch.old, batch.rewards, batch.mask, group_size=SIZE, eta=eta)
