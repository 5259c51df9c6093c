"""Truncated importance sampling: the weights by hand, and what each loss does with them."""

import math
from types import SimpleNamespace

import pytest
import torch

from trainer.advantage import advantages, centred_rewards
from trainer.config import IMPORTANCE_LEVELS, LOSSES, TrainConfig
from trainer.losses.dr_grpo import dr_grpo
from trainer.losses.grpo import grpo
from trainer.losses.importance import sampling_weights, weighed
from trainer.losses.reg_grpo import reg_grpo
from trainer.losses.reinforce import reinforce
from trainer.losses.reward_regression import reward_regression
from trainer.losses.rloo import rloo

MASK = torch.tensor([[1, 1, 1], [1, 1, 0]]).bool()
OLD = torch.tensor([[-1.0, -2.0, -0.5], [-1.0, -1.0, math.nan]])
ENGINE = torch.tensor([[-1.0, -3.0, -0.4], [-1.5, -1.2, math.nan]])


def test_token_weights_by_hand():
    found = sampling_weights(OLD, ENGINE, MASK, level="token", cap=2.0)
    expected = [[1.0, 2.0, math.exp(-0.1)], [math.exp(0.5), math.exp(0.2), 1.0]]  # exp(1) is cut to 2
    torch.testing.assert_close(found, torch.tensor(expected))


def test_sequence_weights_by_hand():
    found = sampling_weights(OLD, ENGINE, MASK, level="sequence", cap=2.2)
    torch.testing.assert_close(found, torch.tensor([[2.2], [math.exp(0.7)]]))  # exp(0.9) = 2.46 is cut


def test_weights_correct_the_expectation_where_nothing_is_cut():
    """Mean over the engine's tokens of w f is the mean over the trainer's of f, exactly, summed over a vocabulary."""
    old, engine = torch.randn(2, 50, dtype=torch.float64).log_softmax(-1)
    f = torch.randn(50, dtype=torch.float64)
    w = sampling_weights(old[None], engine[None], torch.ones(1, 50).bool(), level="token", cap=1e9)[0]
    torch.testing.assert_close((engine.exp() * w * f).sum(), (old.exp() * f).sum())
    cut = sampling_weights(old[None], engine[None], torch.ones(1, 50).bool(), level="token", cap=1.0)[0]
    assert (engine.exp() * cut).sum() < 1


def test_weights_are_constants():
    old = OLD.clone().requires_grad_()
    assert not sampling_weights(old, ENGINE, MASK, level="token", cap=2.0).requires_grad


def test_wrong_arguments():
    with pytest.raises(ValueError, match=r"cap is 0\.5: equal engines have a ratio of 1 and must not be cut; use 2"):
        sampling_weights(OLD, ENGINE, MASK, level="token", cap=0.5)
    with pytest.raises(ValueError, match='level is \'word\': use "token" or "sequence"'):
        sampling_weights(OLD, ENGINE, MASK, level="word", cap=2.0)
    with pytest.raises(ValueError, match="old_logps, engine_logps and mask have shapes"):
        sampling_weights(OLD, ENGINE[:1], MASK, level="token", cap=2.0)
    with pytest.raises(ValueError, match=r"sampling weights have shape \(2,\): pass one a token, \(2, 3\), or one a"):
        weighed(OLD, torch.ones(2))


G, N, T = 4, 8, 6


@pytest.fixture(params=range(2), name="data")
def _data(request):
    torch.manual_seed(request.param)
    policy, old = (torch.randn(N, T, dtype=torch.float64) * 0.3 - 2 for _ in range(2))
    rewards = torch.tensor([2.0, 0.0, 1.0, 1.0, 0.0, 2.0, 1.0, 0.0]).double()
    mask = torch.arange(T)[None] < torch.randint(1, T + 1, (N, 1))
    return SimpleNamespace(policy=policy.requires_grad_(), old=old, rewards=rewards, mask=mask)


LOSS_OF = {
    "grpo": lambda d, w: grpo(d.policy, d.old, advantages(d.rewards, G), d.mask, sampling_weights=w),
    "dr_grpo": lambda d, w: dr_grpo(
        d.policy, d.old, centred_rewards(d.rewards, G), d.mask, max_tokens=9, sampling_weights=w
    ),
    "reinforce": lambda d, w: reinforce(d.policy, d.rewards, d.mask, sampling_weights=w),
    "rloo": lambda d, w: rloo(d.policy, d.rewards, d.mask, group_size=G, sampling_weights=w),
    "reg_grpo": lambda d, w: reg_grpo(
        d.policy, d.old, advantages(d.rewards, G), d.mask, group_size=G, std_floor=0.01, sampling_weights=w
    ),
    "reward_regression": lambda d, w: reward_regression(
        d.policy, d.old, d.rewards, d.mask, group_size=G, sampling_weights=w
    ),
}


def gradient(loss, data):
    return torch.autograd.grad(loss, data.policy)[0]


def test_every_loss_that_has_a_level_is_here():
    assert set(LOSS_OF) == set(IMPORTANCE_LEVELS)


@pytest.mark.parametrize("name", LOSS_OF)
def test_weights_of_one_change_nothing_and_a_common_weight_is_a_factor(name, data):
    plain = LOSS_OF[name](data, None)
    assert torch.equal(LOSS_OF[name](data, torch.ones(N, 1, dtype=torch.float64)), plain)
    thrice = LOSS_OF[name](data, torch.full((N, 1), 3.0, dtype=torch.float64))
    torch.testing.assert_close(thrice, 3 * plain)
    torch.testing.assert_close(gradient(thrice, data), 3 * gradient(plain, data))


@pytest.mark.parametrize("name", [name for name, levels in IMPORTANCE_LEVELS.items() if "token" in levels])
def test_a_token_weight_scales_the_gradient_of_its_token(name, data):
    w = torch.rand(N, T, dtype=torch.float64) + 0.5
    expected = gradient(LOSS_OF[name](data, None), data) * w
    assert expected.abs().max() > 1e-3
    torch.testing.assert_close(gradient(LOSS_OF[name](data, w), data), expected)


def test_a_group_without_advantage_keeps_its_weights_out_of_reg_grpo(data):
    rewards = data.rewards.clone()
    rewards[:G] = 1.0
    w = torch.rand(N, 1, dtype=torch.float64) + 0.5
    both = reg_grpo(data.policy, data.old, advantages(rewards, G), data.mask, group_size=G, sampling_weights=w)
    live = slice(G, N)
    alone = reg_grpo(
        data.policy[live],
        data.old[live],
        advantages(rewards[live], G),
        data.mask[live],
        group_size=G,
        sampling_weights=w[live],
    )
    torch.testing.assert_close(both, alone)


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("level", ["token", "sequence"])
def test_a_loss_without_that_level_is_refused_by_the_settings(loss, level):
    settings = {"loss": {"type": loss}, "importance_sampling": level}
    if level in IMPORTANCE_LEVELS.get(loss, ()):
        assert TrainConfig.model_validate(settings).importance_sampling == level
        return
    with pytest.raises(ValueError, match=f"importance_sampling is {level}, loss.type {loss}: that loss can have"):
        TrainConfig.model_validate(settings)
