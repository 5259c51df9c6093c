"""Reg-GRPO by hand, against a slow loop and a closed-form gradient, and the invariances that Eq. 8 implies.

`from_rho` builds log-probs whose sequence log-ratios are given numbers, so that d loss / d rho can be read off: a
response's rho has the same gradient as each of its tokens.
"""

import math
from collections.abc import Sequence
from typing import Literal, get_args

import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from torch import Tensor

from trainer.advantage import advantages
from trainer.losses.reg_grpo import Normaliser, reg_grpo

Batch = tuple[Tensor, Tensor, Tensor, Tensor]
NAN, INF = math.nan, math.inf


def f64(values: Sequence[float] | Sequence[Sequence[float]]) -> Tensor:
    return torch.tensor(values, dtype=torch.float64)


def from_rho(rho: Sequence[float] | Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Policy log-probs, old log-probs and mask of one-token responses with these log-ratios."""
    column = torch.as_tensor(rho, dtype=torch.float64).reshape(-1, 1)
    old = torch.full_like(column, -2.0)
    return (old + column).requires_grad_(), old, torch.ones_like(column, dtype=torch.bool)


def loss_of_rho(rho: Sequence[float] | Tensor, adv: Tensor, group_size: int, std_floor: float = 1e-6) -> Tensor:
    policy, old, mask = from_rho(rho)
    return reg_grpo(policy, old, adv, mask, group_size=group_size, std_floor=std_floor)


def gradient_of_rho(rho: Sequence[float] | Tensor, adv: Tensor, group_size: int, std_floor: float = 1e-6) -> Tensor:
    policy, old, mask = from_rho(rho)
    loss = reg_grpo(policy, old, adv, mask, group_size=group_size, std_floor=std_floor)
    return torch.autograd.grad(loss, policy)[0].squeeze(1)


def ragged_batch(seed: int, num_groups: int = 3, group_size: int = 4, num_columns: int = 6) -> Batch:
    """Random log-probs, advantages of random rewards, and responses of 1 to num_columns tokens."""
    generator = torch.Generator().manual_seed(seed)
    num_responses = num_groups * group_size
    policy, old = -3 * torch.rand(2, num_responses, num_columns, generator=generator, dtype=torch.float64)
    adv = advantages(torch.rand(num_responses, generator=generator, dtype=torch.float64), group_size)
    lengths = torch.randint(1, num_columns + 1, (num_responses, 1), generator=generator)
    return policy, old, adv, torch.arange(num_columns) < lengths


def slow_loss(batch: Batch, group_size: int, std_floor: float, reduction: str) -> float:
    policy, old, adv, mask = (tensor.tolist() for tensor in batch)
    losses = []
    for start in range(0, len(adv), group_size):
        group = range(start, start + group_size)
        if all(adv[i] == 0 for i in group):
            continue
        rho = []
        for i in group:
            ratios = [policy[i][t] - old[i][t] for t in range(len(mask[i])) if mask[i][t]]
            rho.append(sum(ratios) / (max(len(ratios), 1) if reduction == "mean" else 1))
        mean = sum(rho) / group_size
        std = max(math.sqrt(sum((value - mean) ** 2 for value in rho) / group_size), std_floor)
        losses.append(
            sum((adv[i] - (value - mean) / std) ** 2 for i, value in zip(group, rho, strict=True)) / group_size
        )
    return sum(losses) / len(losses) if losses else 0.0


# Arithmetic by hand


def test_by_hand() -> None:
    # tokens:            1     2    pad
    old = f64([[-1.0, -1.0, NAN], [-1.0, -1.0, -1.0], [-2.0, NAN, NAN], [-1.0, -1.0, NAN]])
    policy = f64([[-1.5, -1.5, NAN], [-1.0, -1.5, -0.5], [-2.0, INF, NAN], [-0.5, -0.5, NAN]])
    mask = torch.tensor([[1, 1, 0], [1, 1, 1], [1, 0, 0], [1, 1, 0]], dtype=torch.bool)
    # rho = -1, 0, 0, 1: mean 0, population variance 2/4, Ahat = -sqrt 2, 0, 0, sqrt 2.
    # A = 0, -sqrt 2, 0, sqrt 2: the errors are sqrt 2, -sqrt 2, 0, 0, so (2 + 2 + 0 + 0) / 4 = 1.
    adv = f64([0.0, -math.sqrt(2), 0.0, math.sqrt(2)])
    assert reg_grpo(policy, old, adv, mask, group_size=4).item() == pytest.approx(1.0, abs=1e-12)


def test_mean_reduction_by_hand() -> None:
    # Token ratios 1, 1 | 1 | -3, 1: sums 2, 1, -2, means 1, 1, -1.
    policy = f64([[1.0, 1.0], [1.0, 9.0], [-3.0, 1.0]])
    mask = torch.tensor([[True, True], [True, False], [True, True]])
    adv = f64([1.0, 0.0, -1.0])
    # Sums: mean 1/3, variance (25 + 4 + 49) / 27. Means: mean 1/3, variance (4 + 4 + 16) / 27.
    sums = [value / math.sqrt(78 / 27) for value in (5 / 3, 2 / 3, -7 / 3)]
    means = [value / math.sqrt(24 / 27) for value in (2 / 3, 2 / 3, -4 / 3)]
    reductions: tuple[tuple[Literal["sum", "mean"], list[float]], ...] = (("sum", sums), ("mean", means))
    for reduction, (first, second, third) in reductions:
        expected = ((1 - first) ** 2 + (0 - second) ** 2 + (-1 - third) ** 2) / 3
        loss = reg_grpo(policy, torch.zeros_like(policy), adv, mask, group_size=3, reduction=reduction)
        assert loss.item() == pytest.approx(expected, abs=1e-12)


def test_the_floor_replaces_a_smaller_std_by_hand() -> None:
    # rho = -0.3, 0.3 has std 0.3. Under a floor of 0.5 Ahat = -0.6, 0.6, so the errors are 0.4; under 0.3 and less, 0.
    adv = f64([-1.0, 1.0])
    assert loss_of_rho([-0.3, 0.3], adv, 2, std_floor=0.5).item() == pytest.approx(0.16, abs=1e-12)
    assert loss_of_rho([-0.3, 0.3], adv, 2, std_floor=0.29).item() == pytest.approx(0.0, abs=1e-12)


def test_the_loss_is_the_mean_over_groups_by_hand() -> None:
    # r = 1, -1, 1 in groups of two: losses 0, 4, 0.
    adv = f64([-1.0, 1.0, -1.0, 1.0, -1.0, 1.0])
    assert loss_of_rho([0.0, 1.0, 1.0, 0.0, 2.0, 5.0], adv, 2).item() == pytest.approx(4 / 3, abs=1e-12)


# A slow loop, gradcheck


@pytest.mark.parametrize("reduction", ["sum", "mean"])
@pytest.mark.parametrize("std_floor", [1e-6, 1.0, 100.0])
@pytest.mark.parametrize("seed", range(3))
def test_agrees_with_a_slow_loop(seed: int, std_floor: float, reduction: Literal["sum", "mean"]) -> None:
    policy, old, adv, mask = ragged_batch(seed)
    adv[4:8] = 0  # a dead group between live ones
    mask[1] = False  # an empty response
    expected = slow_loss((policy, old, adv, mask), 4, std_floor, reduction)
    loss = reg_grpo(policy, old, adv, mask, group_size=4, std_floor=std_floor, reduction=reduction)
    assert loss.shape == ()
    assert loss.item() == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("reduction", ["sum", "mean"])
@pytest.mark.parametrize("std_floor", [1e-6, 100.0])
def test_gradcheck(std_floor: float, reduction: Literal["sum", "mean"]) -> None:
    policy, old, adv, mask = ragged_batch(7)
    adv = adv + 0.5  # with a mean, which the gradient through mean rho takes out again

    def loss(policy: Tensor) -> Tensor:
        return reg_grpo(policy, old, adv, mask, group_size=4, std_floor=std_floor, reduction=reduction)

    assert torch.autograd.gradcheck(loss, policy.requires_grad_())


# What follows from the formula


@pytest.mark.parametrize("seed", range(3))
def test_the_loss_is_twice_one_minus_the_correlation(seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    rewards, rho = torch.randn(2, 8, generator=generator, dtype=torch.float64)
    correlation = torch.corrcoef(torch.stack([rewards, rho]))[0, 1]
    torch.testing.assert_close(loss_of_rho(rho, advantages(rewards, 8), 8), 2 * (1 - correlation))


def test_with_sample_std_advantages_the_loss_is_not_that() -> None:
    # A shorter by sqrt((G - 1) / G): 1 + (G - 1) / G - 2 r sqrt((G - 1) / G). So rho's own std is the population's.
    generator = torch.Generator().manual_seed(0)
    rewards, rho = torch.randn(2, 4, generator=generator, dtype=torch.float64)
    correlation = torch.corrcoef(torch.stack([rewards, rho]))[0, 1]
    loss = loss_of_rho(rho, advantages(rewards, 4, std="sample"), 4)
    torch.testing.assert_close(loss, 1 + 3 / 4 - 2 * correlation * math.sqrt(3 / 4))


def test_the_minimum_is_where_predicted_equals_actual() -> None:
    adv = advantages(f64([0.0, 1.0, 3.0, 1.0]), 4)
    assert loss_of_rho(3 * adv + 5, adv, 4).item() == pytest.approx(0.0, abs=1e-12)
    torch.testing.assert_close(gradient_of_rho(3 * adv + 5, adv, 4), torch.zeros_like(adv), atol=1e-12, rtol=0)
    assert loss_of_rho(3 * adv + f64([0.1, 0, 0, 0]), adv, 4).item() > 1e-5


@pytest.mark.parametrize("seed", range(3))
def test_gradient_above_the_floor(seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    rewards, rho = torch.randn(2, 8, generator=generator, dtype=torch.float64)
    adv = advantages(rewards, 8)
    gradient = gradient_of_rho(rho, adv, 8)
    std = (rho - rho.mean()).square().mean().sqrt()
    predicted = (rho - rho.mean()) / std
    correlation = torch.corrcoef(torch.stack([rewards, rho]))[0, 1]
    torch.testing.assert_close(gradient, -(2 / (8 * std)) * (adv - correlation * predicted))
    torch.testing.assert_close(gradient.norm(), 2 / (math.sqrt(8) * std) * (1 - correlation**2).sqrt())
    # Blind to scale and shift: orthogonal to rho and to the constant vector.
    assert gradient.norm() > 0.01
    assert (gradient @ rho).item() == pytest.approx(0.0, abs=1e-12)
    assert gradient.sum().item() == pytest.approx(0.0, abs=1e-12)


@pytest.mark.parametrize("seed", range(3))
def test_gradient_below_the_floor(seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    rewards, rho = torch.randn(2, 8, generator=generator, dtype=torch.float64)
    adv, floor = advantages(rewards, 8), 5.0
    gradient = gradient_of_rho(rho, adv, 8, std_floor=floor)
    torch.testing.assert_close(gradient, -(2 / (8 * floor)) * (adv - (rho - rho.mean()) / floor))


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize("std_floor", [0.01, 1e-6])
def test_on_policy_it_is_scaled_reinforce(std_floor: float, dtype: torch.dtype) -> None:
    policy, _, adv, mask = ragged_batch(11)
    policy, adv = policy.to(dtype).requires_grad_(), adv.to(dtype)
    loss = reg_grpo(policy, policy.detach(), adv, mask, group_size=4, std_floor=std_floor)
    assert loss.item() == pytest.approx(1.0, rel=1e-6)  # the mean of A^2
    gradient = torch.autograd.grad(loss, policy)[0]
    sequence_logps = torch.where(mask, policy, 0).sum(dim=1)
    reinforce = torch.autograd.grad(-(adv * sequence_logps).mean(), policy)[0]
    assert gradient.isfinite().all()
    torch.testing.assert_close(gradient, 2 / std_floor * reinforce, rtol=1e-5, atol=2 / std_floor * 1e-7)


def test_a_reversed_group_has_no_gradient_above_the_floor_and_the_largest_below() -> None:
    adv = advantages(f64([0.0, 1.0, 3.0, 1.0]), 4)
    above, below = gradient_of_rho(-adv, adv, 4, std_floor=0.999), gradient_of_rho(-adv, adv, 4, std_floor=1.001)
    torch.testing.assert_close(above, torch.zeros_like(adv), atol=1e-12, rtol=0)
    assert loss_of_rho(-adv, adv, 4).item() == pytest.approx(4.0)
    torch.testing.assert_close(below, -adv, rtol=0.01, atol=0)  # -(2 / (4 s)) (A + A / s), s near 1


def test_groups_of_two_have_no_gradient_above_the_floor() -> None:
    adv = advantages(f64([0.0, 1.0, 0.0, 1.0]), 2)
    # r = 1 and r = -1: losses 0 and 4.
    assert loss_of_rho([0.2, 0.7, 0.9, 0.3], adv, 2).item() == pytest.approx(2.0)
    gradient = gradient_of_rho([0.2, 0.7, 0.9, 0.3], adv, 2)
    torch.testing.assert_close(gradient, torch.zeros_like(adv), atol=1e-12, rtol=0)
    # Below it, -(2 / (2 s)) (A - c / s) / 2 groups: A = -1, 1, -1, 1 and c = -0.25, 0.25, 0.3, -0.3, s = 1.
    below = gradient_of_rho([0.2, 0.7, 0.9, 0.3], adv, 2, std_floor=1.0)
    torch.testing.assert_close(below, f64([0.375, -0.375, 0.65, -0.65]))


group_of_values = st.lists(st.floats(-3, 3), min_size=4, max_size=4)


@settings(deadline=None)
@given(group_of_values, group_of_values, st.floats(-5, 5), st.floats(0.1, 10))
def test_shift_and_scale(rewards: list[float], rho: list[float], shift: float, scale: float) -> None:
    assume(torch.tensor(rewards).std() > 0.1)
    assume(torch.tensor(rho).std() > 0.1)
    adv = advantages(f64(rewards), 4)
    loss = loss_of_rho(rho, adv, 4)
    torch.testing.assert_close(loss_of_rho(rho, advantages(f64(rewards) + shift, 4), 4), loss, rtol=0, atol=1e-9)
    torch.testing.assert_close(loss_of_rho(f64(rho) + shift, adv, 4), loss, rtol=0, atol=1e-9)
    torch.testing.assert_close(loss_of_rho(f64(rho) * scale, adv, 4), loss, rtol=0, atol=1e-9)
    # Below the floor a shift still changes nothing, and scale is seen.
    below = loss_of_rho(rho, adv, 4, std_floor=100.0)
    torch.testing.assert_close(loss_of_rho(f64(rho) + shift, adv, 4, std_floor=100.0), below, rtol=0, atol=1e-9)


def test_below_the_floor_the_scale_of_rho_is_seen() -> None:
    adv = advantages(f64([0.0, 1.0, 3.0, 1.0]), 4)
    assert loss_of_rho(adv, adv, 4, std_floor=2.0).item() == pytest.approx(0.25)  # mean (A - A / 2)^2
    assert loss_of_rho(2 * adv, adv, 4, std_floor=2.0).item() == pytest.approx(0.0, abs=1e-12)


# Padding


@pytest.mark.parametrize("reduction", ["sum", "mean"])
@pytest.mark.parametrize("garbage", [NAN, INF, -INF, 1e30])
def test_padding_changes_neither_loss_nor_gradient(garbage: float, reduction: Literal["sum", "mean"]) -> None:
    policy, old, adv, mask = ragged_batch(5)
    adv[:4] = 0  # padding of dead groups counts as little
    policy.requires_grad_()
    loss = reg_grpo(policy, old, adv, mask, group_size=4, reduction=reduction)
    gradient = torch.autograd.grad(loss, policy)[0]
    assert not gradient[~mask].any()
    assert gradient[4:][mask[4:]].abs().min() > 0

    extra = torch.full((len(policy), 3), garbage, dtype=torch.float64)
    wide = torch.cat([policy.detach().masked_fill(~mask, garbage), extra], dim=1).requires_grad_()
    wide_old = torch.cat([old.masked_fill(~mask, garbage), extra], dim=1)
    wide_mask = torch.cat([mask, torch.zeros(len(policy), 3, dtype=torch.bool)], dim=1)
    wide_loss = reg_grpo(wide, wide_old, adv, wide_mask, group_size=4, reduction=reduction)
    torch.testing.assert_close(wide_loss, loss)
    wide_gradient = torch.autograd.grad(wide_loss, wide)[0]
    torch.testing.assert_close(wide_gradient[:, :-3], gradient)
    assert not wide_gradient[:, -3:].any()


def test_the_order_of_groups_and_inside_a_group_is_free() -> None:
    policy, old, adv, mask = ragged_batch(6)
    loss = reg_grpo(policy, old, adv, mask, group_size=4)
    order = torch.tensor([8, 10, 9, 11, 3, 2, 1, 0, 4, 5, 7, 6])
    torch.testing.assert_close(reg_grpo(policy[order], old[order], adv[order], mask[order], group_size=4), loss)


@pytest.mark.parametrize("dtype", [torch.int64, torch.float32])
def test_a_mask_of_numbers_is_a_mask(dtype: torch.dtype) -> None:
    policy, old, adv, mask = ragged_batch(6)
    expected = reg_grpo(policy, old, adv, mask, group_size=4)
    assert reg_grpo(policy, old, adv, mask.to(dtype), group_size=4).item() == expected.item()


# Groups without advantage


@pytest.mark.parametrize("dead_rho", [(0.3, -0.2, 0.9), (0.0, 0.0, 0.0), (NAN, 0.0, INF)])
@pytest.mark.parametrize("std_floor", [1e-6, 10.0])
def test_a_dead_group_is_left_out_of_loss_gradient_and_divisor(dead_rho: tuple[float, ...], std_floor: float) -> None:
    live_rho = f64([0.5, 0.1, -0.4])
    live = advantages(f64([1.0, 0.0, 0.5]), 3)
    adv = torch.cat([advantages(f64([0.1, 0.1, 0.1]), 3), live])
    rho = torch.cat([f64(dead_rho), live_rho])
    alone = loss_of_rho(live_rho, live, 3, std_floor)
    assert alone.item() > 0.1
    assert loss_of_rho(rho, adv, 3, std_floor).item() == pytest.approx(alone.item(), rel=1e-12)
    gradient = gradient_of_rho(rho, adv, 3, std_floor)
    assert gradient[:3].tolist() == [0, 0, 0]
    torch.testing.assert_close(gradient[3:], gradient_of_rho(live_rho, live, 3, std_floor))


@pytest.mark.parametrize("num_groups", [0, 2])
@pytest.mark.parametrize("padding", [-1.0, NAN, INF])
def test_without_a_live_group_loss_and_gradient_are_zero(padding: float, num_groups: int) -> None:
    policy, old, _, mask = ragged_batch(3, num_groups=num_groups)
    policy = policy.masked_fill(~mask, padding).requires_grad_()
    loss = reg_grpo(policy, old, torch.zeros(len(policy)), mask, group_size=4)
    assert loss.item() == 0.0
    assert torch.equal(torch.autograd.grad(loss, policy)[0], torch.zeros_like(policy))


def test_duplicates_stay_in_the_group() -> None:
    # The second response twice: mean and std of four, not of three.
    adv = advantages(f64([1.0, 0.0, 0.0, 2.0]), 4)
    policy, old, _ = from_rho([0.5, 0.2, 0.2, -0.1])
    mask = torch.ones(4, 1, dtype=torch.bool)
    loss = reg_grpo(policy, old, adv, mask, group_size=4)
    assert loss.item() == pytest.approx(slow_loss((policy, old, adv, mask), 4, 1e-6, "sum"), rel=1e-12)
    deduplicated = loss_of_rho([0.5, 0.2, -0.1], advantages(f64([1.0, 0.0, 2.0]), 3), 3)
    assert abs(loss.item() - deduplicated.item()) > 0.01
    gradient = torch.autograd.grad(loss, policy)[0]
    assert gradient[1].item() == pytest.approx(gradient[2].item())
    assert gradient[1].item() != 0


# Numerics, constants, errors


def test_bf16_is_summed_in_float32() -> None:
    # 1024 tokens that each rise by 2^-7: rho = 8, of which a bf16 sum keeps far less. The other response stays.
    old = torch.full((2, 1024), -1.0, dtype=torch.bfloat16)
    policy = old.clone()
    policy[1] += 2.0**-7
    policy.requires_grad_()
    mask = torch.ones(2, 1024, dtype=torch.bool)
    adv = torch.tensor([-1.0, 1.0], dtype=torch.bfloat16)
    # std rho = 4 under a floor of 8: Ahat = -0.5, 0.5.
    loss = reg_grpo(policy, old, adv, mask, group_size=2, std_floor=8.0)
    assert loss.dtype == torch.float32
    assert loss.item() == pytest.approx(0.25, rel=1e-6)
    gradient = torch.autograd.grad(loss, policy)[0]
    assert gradient.dtype == torch.bfloat16
    assert gradient.isfinite().all()
    assert gradient.any()


def test_old_and_advantages_are_constants() -> None:
    policy, old, adv, mask = (tensor.clone() for tensor in ragged_batch(2))
    expected = torch.autograd.grad(reg_grpo(policy.requires_grad_(), old, adv, mask, group_size=4), policy)[0]
    loss = reg_grpo(policy, old.requires_grad_(), adv.requires_grad_(), mask, group_size=4)
    gradients = torch.autograd.grad(loss, [policy, old, adv], allow_unused=True)
    assert [gradient is None for gradient in gradients] == [False, True, True]
    assert torch.equal(gradients[0], expected)


@pytest.mark.parametrize("std_floor", [0.0, -1e-6, NAN, 1e-200])
def test_the_floor_must_be_divisible_by(std_floor: float) -> None:
    policy, old, adv, mask = ragged_batch(0)
    with pytest.raises(ValueError, match=f"std_floor is {std_floor}: .* use 1e-6"):
        reg_grpo(policy, old, adv, mask, group_size=4, std_floor=std_floor)


def test_shapes_must_agree() -> None:
    policy, old, adv, mask = ragged_batch(0)
    with pytest.raises(ValueError, match=r"shapes \(12, 6\), \(1, 6\) and \(12, 6\): pass all three as \[N, T\]"):
        reg_grpo(policy, old[:1], adv, mask, group_size=4)
    with pytest.raises(ValueError, match=r"shapes \(12, 6\), \(12, 6\) and \(12, 5\)"):
        reg_grpo(policy, old, adv, mask[:, 1:], group_size=4)
    with pytest.raises(ValueError, match=r"advantages have shape \(3,\): pass one for each of 12 responses"):
        reg_grpo(policy, old, adv[:3], mask, group_size=4)
    with pytest.raises(ValueError, match=r"shape \(12,\) for groups of 5"):
        reg_grpo(policy, old, adv, mask, group_size=5)
    with pytest.raises(ValueError, match=r"group_size is 1: .* at least 2"):
        reg_grpo(policy, old, adv, mask, group_size=1)


def test_an_unknown_reduction_is_refused() -> None:
    policy, old, adv, mask = ragged_batch(0)
    with pytest.raises(ValueError, match='reduction is \'max\': use "sum" or "mean"'):
        reg_grpo(policy, old, adv, mask, group_size=4, reduction="max")  # type: ignore[arg-type]


# Normalisers, standard deviations, the divisor


def of_rho(rho: Sequence[float] | Tensor, adv: Tensor, normaliser: Normaliser, floor: float) -> tuple[float, Tensor]:
    """Loss and d loss / d rho of one group."""
    policy, old, mask = from_rho(rho)
    loss = reg_grpo(policy, old, adv, mask, group_size=len(adv), std_floor=floor, normaliser=normaliser)
    return loss.item(), torch.autograd.grad(loss, policy)[0].squeeze(1)


def test_normalisers_by_hand() -> None:
    # rho = -0.3, 0.3 has std 0.3, and A = -1, 1.
    adv = f64([-1.0, 1.0])
    for normaliser, floor, divisor in (
        ("exact", 0.4, 0.4),
        ("exact", 0.1, 0.3),
        ("detached", 0.4, 0.4),
        ("detached", 0.1, 0.3),
        ("smooth", 0.4, 0.5),
        ("fixed", 0.4, 0.4),
        ("fixed", 0.1, 0.1),
    ):
        loss, _ = of_rho([-0.3, 0.3], adv, normaliser, floor)
        assert loss == pytest.approx((1 - 0.3 / divisor) ** 2, abs=1e-12)


@pytest.mark.parametrize("floor", [0.05, 5.0])
@pytest.mark.parametrize("seed", range(3))
def test_gradients_of_the_normalisers(seed: int, floor: float) -> None:
    generator = torch.Generator().manual_seed(seed)
    rewards, rho = torch.randn(2, 8, generator=generator, dtype=torch.float64)
    adv, centred = advantages(rewards, 8), rho - rho.mean()
    std = centred.square().mean().sqrt()
    correlation = (adv * centred).mean() / std
    for normaliser, divisor in (("fixed", f64([floor])), ("detached", std.clamp_min(floor))):
        expected = -2 / (8 * divisor) * (adv - centred / divisor)
        torch.testing.assert_close(of_rho(rho, adv, normaliser, floor)[1], expected)
    # Smooth: Ahat = k c / std with k = std / sqrt(std^2 + s^2), so the loss is 1 + k^2 - 2 r k.
    root = (std**2 + floor**2).sqrt()
    k = std / root
    loss, gradient = of_rho(rho, adv, "smooth", floor)
    assert loss == pytest.approx((1 + k**2 - 2 * correlation * k).item())
    torch.testing.assert_close(gradient, -2 / (8 * root) * (adv - centred / root * (1 + correlation * k - k**2)))


@pytest.mark.parametrize("normaliser", ["smooth", "detached", "fixed"])
def test_a_reversed_group_and_groups_of_two_have_a_gradient_without_the_exact_one(normaliser: Normaliser) -> None:
    adv = advantages(f64([0.0, 1.0, 3.0, 1.0]), 4)
    _, gradient = of_rho(-adv, adv, normaliser, 0.5)
    assert (gradient @ adv).item() < -0.1  # a step turns it round
    _, pair = of_rho([0.3, -0.3], f64([-1.0, 1.0]), normaliser, 0.1)
    assert pair[0].item() > 0.1
    torch.testing.assert_close(pair[0], -pair[1])


def test_detached_shrinks_the_scale_and_exact_does_not() -> None:
    generator = torch.Generator().manual_seed(1)
    rewards, rho = torch.randn(2, 8, generator=generator, dtype=torch.float64)
    adv, centred = advantages(rewards, 8), rho - rho.mean()
    assert (of_rho(rho, adv, "detached", 1e-6)[1] @ centred).item() > 0.1
    assert (of_rho(rho, adv, "exact", 1e-6)[1] @ centred).item() == pytest.approx(0.0, abs=1e-12)


def test_at_rho_zero_all_normalisers_are_the_same_finite_gradient() -> None:
    adv = advantages(f64([0.0, 1.0, 3.0, 1.0]), 4)
    for normaliser in get_args(Normaliser):
        torch.testing.assert_close(of_rho([0.0] * 4, adv, normaliser, 0.01)[1], -2 / (4 * 0.01) * adv)


def test_with_sample_std_on_both_sides_the_loss_is_smaller_by_g_minus_one_over_g() -> None:
    generator = torch.Generator().manual_seed(0)
    rewards, rho = torch.randn(2, 4, generator=generator, dtype=torch.float64)
    correlation = torch.corrcoef(torch.stack([rewards, rho]))[0, 1]
    policy, old, mask = from_rho(rho)
    loss = reg_grpo(policy, old, advantages(rewards, 4, std="sample"), mask, group_size=4, std="sample")
    torch.testing.assert_close(loss, 2 * 3 / 4 * (1 - correlation))


def test_vanished_groups_count_in_the_divisor_if_asked_and_add_nothing() -> None:
    policy, old, adv, mask = ragged_batch(3)
    adv[:4] = 0
    policy[:4] = NAN
    policy.requires_grad_()
    left_out = reg_grpo(policy, old, adv, mask, group_size=4)
    counted = reg_grpo(policy, old, adv, mask, group_size=4, count_vanished=True)
    torch.testing.assert_close(counted, left_out * 2 / 3)
    gradient = torch.autograd.grad(counted, policy)[0]
    assert not gradient[:4].any()
    assert gradient[4:].any()


def test_an_unknown_normaliser_or_std_is_refused() -> None:
    policy, old, adv, mask = ragged_batch(0)
    with pytest.raises(ValueError, match="normaliser is 'none': use one of exact, smooth, detached, fixed"):
        reg_grpo(policy, old, adv, mask, group_size=4, normaliser="none")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match='std is \'both\': use "population" or "sample"'):
        reg_grpo(policy, old, adv, mask, group_size=4, std="both")  # type: ignore[arg-type]
