"""REINFORCE by hand, against a slow loop, and as the policy gradient that it claims to be."""

import pytest
import torch
from loss_batch import f64, ragged

from trainer.losses.reinforce import reinforce


def test_by_hand() -> None:
    policy = f64([[-1, -2], [-3, 9], [-1, -1]])
    mask = torch.tensor([[True, True], [True, False], [False, False]])
    # 2 x -3, -1 x -3, 5 x 0: -(-6 + 3 + 0) / 3.
    assert reinforce(policy, f64([2, -1, 5]), mask).item() == pytest.approx(1.0)


@pytest.mark.parametrize("seed", range(3))
def test_agrees_with_a_slow_loop(seed: int) -> None:
    batch = ragged(seed)
    total = 0.0
    for i, reward in enumerate(batch.rewards.tolist()):
        total += reward * sum(batch.policy[i, t].item() for t in range(batch.mask.shape[1]) if batch.mask[i, t])
    loss = reinforce(batch.policy, batch.rewards, batch.mask)
    assert loss.item() == pytest.approx(-total / len(batch.rewards), rel=1e-12)


def test_over_the_whole_vocabulary_it_is_the_gradient_of_the_mean_reward_whatever_the_baseline() -> None:
    generator = torch.Generator().manual_seed(0)
    logits, rewards = torch.randn(2, 5, generator=generator, dtype=torch.float64)
    logits.requires_grad_()
    probabilities = logits.softmax(0)
    wanted = torch.autograd.grad(-(probabilities * rewards).sum(), logits)[0]
    for baseline in (0.0, 1.5):
        # One response a token; its probability is the weight, held fixed as in a sample: N times the mean.
        advantage = 5 * probabilities.detach() * (rewards - baseline)
        loss = reinforce(logits.log_softmax(0).unsqueeze(1), advantage, torch.ones(5, 1))
        torch.testing.assert_close(torch.autograd.grad(loss, logits)[0], wanted)
