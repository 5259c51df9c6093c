"""GRPO by hand, against a slow loop, and where the clip lets a gradient through."""

import math
from collections.abc import Sequence

import pytest
import torch
from torch import Tensor

from trainer.losses.grpo import grpo

Batch = tuple[Tensor, Tensor, Tensor, Tensor]
NAN, INF = math.nan, math.inf


def log(ratios: Sequence[float] | Sequence[Sequence[float]]) -> Tensor:
    """Policy log-probs [N, T] that have these ratios to old log-probs of 0."""
    return torch.tensor(ratios, dtype=torch.float64).reshape(len(ratios), -1).log().requires_grad_()


def ragged_batch(seed: int, num_responses: int = 8, num_columns: int = 6) -> Batch:
    generator = torch.Generator().manual_seed(seed)
    policy, old = -torch.rand(2, num_responses, num_columns, generator=generator, dtype=torch.float64)
    adv = torch.randn(num_responses, generator=generator, dtype=torch.float64)
    lengths = torch.randint(1, num_columns + 1, (num_responses, 1), generator=generator)
    return policy, old, adv, torch.arange(num_columns) < lengths


def slow_loss(batch: Batch, clip_low: float | None, clip_high: float | None) -> float:
    policy, old, adv, mask = (tensor.tolist() for tensor in batch)
    total = 0.0
    for i in range(len(adv)):
        terms = []
        for t in range(len(mask[i])):
            if mask[i][t]:
                clipped = ratio = math.exp(policy[i][t] - old[i][t])
                if clip_low is not None:
                    clipped = max(clipped, 1 - clip_low)
                if clip_high is not None:
                    clipped = min(clipped, 1 + clip_high)
                terms.append(min(ratio * adv[i], clipped * adv[i]))
        total += sum(terms) / len(terms) if terms else 0.0
    return -total / len(adv)


def test_by_hand() -> None:
    policy = log([[1.1, 1.5], [0.5, 2.0], [1.0, 3.0]])
    adv = torch.tensor([2.0, -1.0, 4.0], dtype=torch.float64)
    mask = torch.tensor([[True, True], [True, True], [True, False]])
    # A = 2:  1.1 -> 2.2 inside the clip, 1.5 -> 1.2 x 2 = 2.4; the token mean is 2.3.
    # A = -1: 0.5 -> min(-0.5, -0.8) = -0.8, 2 -> min(-2, -1.2) = -2; the token mean is -1.4.
    # A = 4:  1 -> 4; the 3.0 is padding.
    # -(2.3 - 1.4 + 4) / 3
    assert grpo(policy, torch.zeros_like(policy), adv, mask).item() == pytest.approx(-4.9 / 3, abs=1e-12)
    # Clip off: token means 2.6, -1.25, 4.
    off = grpo(policy, torch.zeros_like(policy), adv, mask, clip_low=None, clip_high=None)
    assert off.item() == pytest.approx(-5.35 / 3, abs=1e-12)


CLIPS = [(0.2, 0.2), (0.1, 0.3), (None, None), (0.2, None), (None, 0.2)]


@pytest.mark.parametrize(("clip_low", "clip_high"), CLIPS)
@pytest.mark.parametrize("seed", range(3))
def test_agrees_with_a_slow_loop(seed: int, clip_low: float | None, clip_high: float | None) -> None:
    policy, old, adv, mask = ragged_batch(seed)
    mask[2] = False
    loss = grpo(policy, old, adv, mask, clip_low=clip_low, clip_high=clip_high)
    assert loss.shape == ()
    assert loss.item() == pytest.approx(slow_loss((policy, old, adv, mask), clip_low, clip_high), rel=1e-12)


@pytest.mark.parametrize(("clip_low", "clip_high"), CLIPS)
def test_gradcheck(clip_low: float | None, clip_high: float | None) -> None:
    policy, old, adv, mask = ragged_batch(4)

    def loss(policy: Tensor) -> Tensor:
        return grpo(policy, old, adv, mask, clip_low=clip_low, clip_high=clip_high)

    assert torch.autograd.gradcheck(loss, policy.requires_grad_())


# A ratio beyond the clip on the side that the advantage asks for has no gradient; elsewhere it is -w A / (N T).
@pytest.mark.parametrize(
    ("ratio", "advantage", "clip_low", "clip_high", "expected"),
    [
        (1.5, 1.0, 0.2, 0.2, 0.0),
        (1.5, 1.0, None, None, -1.5),
        (1.5, 1.0, 0.2, None, -1.5),
        (1.5, 1.0, None, 0.2, 0.0),
        (1.5, 1.0, 0.2, 0.6, -1.5),
        (1.5, -1.0, 0.2, 0.2, 1.5),
        (0.5, -1.0, 0.2, 0.2, 0.0),
        (0.5, -1.0, None, None, 0.5),
        (0.5, -1.0, None, 0.2, 0.5),
        (0.5, -1.0, 0.2, None, 0.0),
        (0.5, -1.0, 0.6, 0.2, 0.5),
        (0.5, 1.0, 0.2, 0.2, -0.5),
        (1.1, 1.0, 0.2, 0.2, -1.1),
        (0.9, -1.0, 0.2, 0.2, 0.9),
        (1.0, 1.0, 0.2, 0.2, -1.0),
        (1.0, 1.0, 0.0, 0.0, -1.0),
        (9.0, 0.0, None, None, 0.0),
    ],
)
def test_where_the_clip_stops_the_gradient(
    ratio: float, advantage: float, clip_low: float | None, clip_high: float | None, expected: float
) -> None:
    policy = log([ratio])
    adv, mask = torch.tensor([advantage]), torch.ones(1, 1, dtype=torch.bool)
    loss = grpo(policy, torch.zeros_like(policy), adv, mask, clip_low=clip_low, clip_high=clip_high)
    assert torch.autograd.grad(loss, policy)[0].item() == pytest.approx(expected, abs=1e-12)


def test_on_policy_it_is_token_mean_reinforce() -> None:
    policy, _, adv, mask = ragged_batch(1)
    policy.requires_grad_()
    loss = grpo(policy, policy.detach(), adv, mask)
    torch.testing.assert_close(loss, -adv.mean())
    reinforce = -(adv * torch.where(mask, policy, 0).sum(dim=1) / mask.sum(dim=1)).mean()
    torch.testing.assert_close(torch.autograd.grad(loss, policy)[0], torch.autograd.grad(reinforce, policy)[0])


@pytest.mark.parametrize("garbage", [NAN, INF, -INF, 1e30])
def test_padding_changes_neither_loss_nor_gradient(garbage: float) -> None:
    policy, old, adv, mask = ragged_batch(5)
    policy.requires_grad_()
    loss = grpo(policy, old, adv, mask, clip_low=None, clip_high=None)
    gradient = torch.autograd.grad(loss, policy)[0]
    assert not gradient[~mask].any()
    assert gradient[mask].abs().min() > 0

    extra = torch.full((len(policy), 3), garbage, dtype=torch.float64)
    wide = torch.cat([policy.detach().masked_fill(~mask, garbage), extra], dim=1).requires_grad_()
    wide_old = torch.cat([old.masked_fill(~mask, -garbage), extra], dim=1)
    wide_mask = torch.cat([mask, torch.zeros(len(policy), 3, dtype=torch.bool)], dim=1)
    wide_loss = grpo(wide, wide_old, adv, wide_mask, clip_low=None, clip_high=None)
    torch.testing.assert_close(wide_loss, loss)
    wide_gradient = torch.autograd.grad(wide_loss, wide)[0]
    torch.testing.assert_close(wide_gradient[:, :-3], gradient)
    assert not wide_gradient[:, -3:].any()


def test_responses_without_advantage_or_tokens_add_zero_and_count() -> None:
    #                    live  dead   empty
    policy = log([[1.1], [1.1], [1.1]])
    adv = torch.tensor([3.0, 0.0, 3.0], dtype=torch.float64)
    mask = torch.tensor([[True], [True], [False]])
    loss = grpo(policy, torch.zeros_like(policy), adv, mask)
    assert loss.item() == pytest.approx(-1.1)  # -3.3 / 3
    gradient = torch.autograd.grad(loss, policy)[0].squeeze(1)
    assert gradient[0].item() == pytest.approx(-1.1)
    assert gradient[1:].tolist() == [0, 0]


def test_only_empty_responses_give_zero() -> None:
    policy, old, adv, mask = ragged_batch(0)
    policy = torch.full_like(policy, NAN).requires_grad_()
    loss = grpo(policy, old, adv, torch.zeros_like(mask))
    assert loss.item() == 0.0
    assert torch.equal(torch.autograd.grad(loss, policy)[0], torch.zeros_like(policy))


def test_bf16_is_averaged_in_float32() -> None:
    old = torch.full((1, 1024), -1.0, dtype=torch.bfloat16)
    policy = (old + 2.0**-7).requires_grad_()
    mask = torch.ones(1, 1024, dtype=torch.bool)
    loss = grpo(policy, old, torch.tensor([1.0], dtype=torch.bfloat16), mask)
    assert loss.dtype == torch.float32
    assert loss.item() == pytest.approx(-math.exp(2.0**-7), rel=1e-6)
    gradient = torch.autograd.grad(loss, policy)[0]
    assert gradient.isfinite().all()
    assert gradient.any()


def test_old_and_advantages_are_constants() -> None:
    policy, old, adv, mask = (tensor.clone() for tensor in ragged_batch(2))
    expected = torch.autograd.grad(grpo(policy.requires_grad_(), old, adv, mask), policy)[0]
    loss = grpo(policy, old.requires_grad_(), adv.requires_grad_(), mask)
    gradients = torch.autograd.grad(loss, [policy, old, adv], allow_unused=True)
    assert [gradient is None for gradient in gradients] == [False, True, True]
    assert torch.equal(gradients[0], expected)


def test_a_mask_of_numbers_is_a_mask() -> None:
    policy, old, adv, mask = ragged_batch(6)
    assert grpo(policy, old, adv, mask.long()).item() == grpo(policy, old, adv, mask).item()


def test_shapes_must_agree() -> None:
    policy, old, adv, mask = ragged_batch(0)
    with pytest.raises(ValueError, match=r"shapes \(8, 6\), \(1, 6\) and \(8, 6\): pass all three as \[N, T\]"):
        grpo(policy, old[:1], adv, mask)
    with pytest.raises(ValueError, match=r"shapes \(8, 6\), \(8, 6\) and \(8, 1\)"):
        grpo(policy, old, adv, mask[:, :1])
    with pytest.raises(ValueError, match=r"advantages have shape \(1,\): pass one for each of 8 responses"):
        grpo(policy, old, adv[:1], mask)
