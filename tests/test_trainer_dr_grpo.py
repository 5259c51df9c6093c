"""Dr. GRPO by hand, against a slow loop, and what it takes out of GRPO."""

import math

import pytest
import torch
from loss_batch import SIZE, f64, one_token, ragged

from trainer.advantage import advantages, centred_rewards
from trainer.losses.dr_grpo import dr_grpo
from trainer.losses.grpo import grpo


def test_by_hand() -> None:
    policy = f64([[1.1, 1.5], [0.5, 2.0], [1.0, 3.0]]).log()
    mask = torch.tensor([[True, True], [True, True], [True, False]])
    # A = 2: 2.2 + 2.4; A = -1: -0.8 - 2; A = 4: 4. Over L = 10, over 3 responses.
    loss = dr_grpo(policy, torch.zeros_like(policy), f64([2, -1, 4]), mask, max_tokens=10)
    assert loss.item() == pytest.approx(-(4.6 - 2.8 + 4) / 30, abs=1e-12)
    off = dr_grpo(policy, torch.zeros_like(policy), f64([2, -1, 4]), mask, max_tokens=10, clip_low=None, clip_high=None)
    assert off.item() == pytest.approx(-(5.2 - 2.5 + 4) / 30, abs=1e-12)


@pytest.mark.parametrize(("low", "high"), [(0.2, 0.2), (None, None), (0.1, None)])
@pytest.mark.parametrize("seed", range(3))
def test_agrees_with_a_slow_loop(seed: int, low: float | None, high: float | None) -> None:
    batch = ragged(seed)
    rewards = batch.rewards.tolist()
    total = 0.0
    for i, reward in enumerate(rewards):
        start = i - i % SIZE
        advantage = reward - sum(rewards[start : start + SIZE]) / SIZE
        for t in range(batch.mask.shape[1]):
            if batch.mask[i, t]:
                ratio = math.exp(batch.policy[i, t].item() - batch.old[i, t].item())
                clipped = min(max(ratio, -math.inf if low is None else 1 - low), math.inf if high is None else 1 + high)
                total += min(ratio * advantage, clipped * advantage) / 7
    adv = centred_rewards(batch.rewards, SIZE)
    loss = dr_grpo(batch.policy, batch.old, adv, batch.mask, max_tokens=7, clip_low=low, clip_high=high)
    assert loss.item() == pytest.approx(-total / len(rewards), rel=1e-12)


def test_a_token_weighs_the_same_in_a_short_and_a_long_response_and_in_grpo_not() -> None:
    policy = torch.zeros(2, 4, dtype=torch.float64, requires_grad=True)
    mask = torch.tensor([[True, False, False, False], [True] * 4])
    adv, old = f64([1, 1]), torch.zeros(2, 4, dtype=torch.float64)
    for loss, expected in (
        (dr_grpo(policy, old, adv, mask, max_tokens=4), [1 / 8, 1 / 8]),
        (grpo(policy, old, adv, mask), [1 / 2, 1 / 8]),
    ):
        gradient = torch.autograd.grad(loss, policy)[0]
        assert (-gradient[:, 0]).tolist() == pytest.approx(expected)


def test_the_scale_of_rewards_is_seen_and_by_grpo_not() -> None:
    small, large = [one_token([0.0] * 4, [scale * r for r in (0, 1, 3, 1)]) for scale in (1, 10)]
    found = []
    for batch in (small, large):
        adv = centred_rewards(batch.rewards, 4)
        loss = dr_grpo(batch.policy, batch.old, adv, batch.mask, max_tokens=1)
        found.append(torch.autograd.grad(loss, batch.policy)[0])
    torch.testing.assert_close(found[1], 10 * found[0])
    torch.testing.assert_close(advantages(large.rewards, 4), advantages(small.rewards, 4))


def test_a_length_below_one_is_refused() -> None:
    batch = ragged(0)
    with pytest.raises(ValueError, match=r"max_tokens is 0: .* use rollout.max_new_tokens"):
        dr_grpo(batch.policy, batch.old, batch.rewards, batch.mask, max_tokens=0)
