"""The KL estimators by hand, and what their values and gradients estimate over a whole vocabulary."""

import math
from typing import Literal, get_args

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn.functional import kl_div

from trainer.losses.kl import kl_penalty, token_kl

Estimator = Literal["k1", "k2", "k3"]
Batch = tuple[Tensor, Tensor, Tensor]
ESTIMATORS: tuple[Estimator, ...] = get_args(Estimator)
NAN, INF = math.nan, math.inf


def one_token(d: float, estimator: Estimator, clamp: float | None = None) -> tuple[float, float]:
    """Value and gradient of one token with d = log pi_ref - log pi_theta."""
    policy = torch.zeros(1, 1, dtype=torch.float64, requires_grad=True)
    ref, mask = torch.full((1, 1), d, dtype=torch.float64), torch.ones(1, 1, dtype=torch.bool)
    value = token_kl(policy, ref, mask, estimator=estimator, clamp=clamp)
    return value.item(), torch.autograd.grad(value.sum(), policy)[0].item()


def ragged_batch(seed: int, num_responses: int = 6, num_columns: int = 5) -> Batch:
    generator = torch.Generator().manual_seed(seed)
    policy, ref = -3 * torch.rand(2, num_responses, num_columns, generator=generator, dtype=torch.float64)
    lengths = torch.randint(1, num_columns + 1, (num_responses, 1), generator=generator)
    return policy, ref, torch.arange(num_columns) < lengths


def slow_token(d: float, estimator: Estimator, clamp: float | None) -> float:
    if clamp is not None:
        d = min(max(d, -clamp), clamp)
    return {"k1": -d, "k2": d * d / 2, "k3": math.exp(d) - d - 1}[estimator]


# d = log 2: exp(d) = 2.
@pytest.mark.parametrize(
    ("estimator", "d", "value", "gradient"),
    [
        ("k1", math.log(2), -math.log(2), 1.0),
        ("k1", -3.0, 3.0, 1.0),
        ("k2", math.log(2), math.log(2) ** 2 / 2, -math.log(2)),
        ("k2", -3.0, 4.5, 3.0),
        ("k3", math.log(2), 1 - math.log(2), -1.0),
        ("k3", -math.log(2), math.log(2) - 0.5, 0.5),
        ("k3", 0.0, 0.0, 0.0),
        ("k3", 5.0, 142.4131591, -147.4131591),
        ("k3", -30.0, 29.0, 1.0),
    ],
)
def test_by_hand(estimator: Estimator, d: float, value: float, gradient: float) -> None:
    assert one_token(d, estimator) == pytest.approx((value, gradient), abs=1e-7)


def test_clamp_by_hand() -> None:
    assert one_token(5.0, "k3", clamp=2.0) == pytest.approx((math.exp(2) - 3, 0.0))
    assert one_token(-5.0, "k3", clamp=2.0) == pytest.approx((math.exp(-2) + 1, 0.0))
    assert one_token(-5.0, "k1", clamp=2.0) == pytest.approx((2.0, 0.0))
    assert one_token(1.0, "k3", clamp=2.0) == pytest.approx((math.e - 2, 1 - math.e))


def test_reductions_by_hand() -> None:
    # k1 = log pi_theta - log pi_ref: 1, 3 | 5, padding | empty.
    policy = torch.tensor([[1.0, 3.0], [5.0, NAN], [NAN, NAN]])
    ref, mask = torch.zeros(3, 2), torch.tensor([[True, True], [True, False], [False, False]])
    assert token_kl(policy, ref, mask, estimator="k1").tolist() == [[1, 3], [5, 0], [0, 0]]
    assert kl_penalty(policy, ref, mask, estimator="k1").item() == pytest.approx((2 + 5 + 0) / 3)
    assert kl_penalty(policy, ref, mask, estimator="k1", reduction="sum").item() == pytest.approx((4 + 5 + 0) / 3)


def test_k3_and_the_token_mean_are_the_defaults() -> None:
    policy, ref, mask = ragged_batch(0)
    assert torch.equal(token_kl(policy, ref, mask), token_kl(policy, ref, mask, estimator="k3", clamp=None))
    assert torch.equal(kl_penalty(policy, ref, mask), kl_penalty(policy, ref, mask, estimator="k3", reduction="mean"))


@pytest.mark.parametrize("reduction", ["mean", "sum"])
@pytest.mark.parametrize("clamp", [None, 0.7])
@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_agrees_with_a_slow_loop(estimator: Estimator, clamp: float | None, reduction: Literal["mean", "sum"]) -> None:
    policy, ref, mask = ragged_batch(1)
    mask[3] = False
    per_response = []
    for i in range(len(mask)):
        terms = [
            slow_token((ref[i, t] - policy[i, t]).item(), estimator, clamp) if mask[i, t] else 0.0
            for t in range(mask.shape[1])
        ]
        per_token = token_kl(policy, ref, mask, estimator=estimator, clamp=clamp)
        assert per_token[i].tolist() == pytest.approx(terms, abs=1e-12)
        per_response.append(sum(terms) / (max(int(mask[i].sum()), 1) if reduction == "mean" else 1))
    penalty = kl_penalty(policy, ref, mask, estimator=estimator, clamp=clamp, reduction=reduction)
    assert penalty.shape == ()
    assert penalty.item() == pytest.approx(sum(per_response) / len(per_response), rel=1e-12)


@pytest.mark.parametrize("reduction", ["mean", "sum"])
@pytest.mark.parametrize("clamp", [None, 0.7])
@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_gradcheck(estimator: Estimator, clamp: float | None, reduction: Literal["mean", "sum"]) -> None:
    policy, ref, mask = ragged_batch(2)

    def penalty(policy: Tensor) -> Tensor:
        return kl_penalty(policy, ref, mask, estimator=estimator, clamp=clamp, reduction=reduction)

    assert torch.autograd.gradcheck(penalty, policy.requires_grad_())


def expected_over_vocabulary(estimator: Estimator) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Mean value and mean gradient of an estimator over y ~ pi_theta, with the logits and reference that gave them."""
    generator = torch.Generator().manual_seed(3)
    logits, ref_logits = torch.randn(2, 5, generator=generator, dtype=torch.float64)
    logits.requires_grad_()
    policy, ref = logits.log_softmax(0), ref_logits.log_softmax(0)
    # One column a token of the vocabulary; its probability is the weight, held fixed as in a sampled batch.
    tokens = token_kl(policy.unsqueeze(0), ref.unsqueeze(0), torch.ones(1, 5, dtype=torch.bool), estimator=estimator)
    value = (policy.detach().exp() * tokens.squeeze(0)).sum()
    return value, torch.autograd.grad(value, logits, retain_graph=True)[0], logits, ref


def kl_policy_ref(logits: Tensor, ref: Tensor) -> Tensor:
    return kl_div(ref, logits.log_softmax(0), reduction="sum", log_target=True)  # KL(target || input)


def kl_ref_policy(logits: Tensor, ref: Tensor) -> Tensor:
    return kl_div(logits.log_softmax(0), ref, reduction="sum", log_target=True)


def test_k1_estimates_kl_and_has_no_mean_gradient() -> None:
    value, gradient, logits, ref = expected_over_vocabulary("k1")
    torch.testing.assert_close(value, kl_policy_ref(logits, ref))
    torch.testing.assert_close(gradient, torch.zeros(5, dtype=torch.float64), rtol=0, atol=1e-12)


def test_k2_has_the_gradient_of_kl_policy_ref() -> None:
    _, gradient, logits, ref = expected_over_vocabulary("k2")
    torch.testing.assert_close(gradient, torch.autograd.grad(kl_policy_ref(logits, ref), logits)[0])


def test_k3_estimates_kl_policy_ref_and_has_the_gradient_of_kl_ref_policy() -> None:
    value, gradient, logits, ref = expected_over_vocabulary("k3")
    torch.testing.assert_close(value, kl_policy_ref(logits, ref))
    torch.testing.assert_close(gradient, torch.autograd.grad(kl_ref_policy(logits, ref), logits)[0])
    forward = torch.autograd.grad(kl_policy_ref(logits, ref), logits)[0]
    assert (gradient - forward).norm() > 0.01  # the two gradients differ here: the test can tell them apart


@settings(deadline=None)
@given(st.floats(-80, 80))
def test_k2_and_k3_are_never_negative_and_k3_pulls_up_by_at_most_one(d: float) -> None:
    value, gradient = one_token(d, "k3")
    assert value >= 0
    assert gradient <= 1
    assert one_token(d, "k2")[0] >= 0


def test_k3_keeps_its_digits_for_small_d_in_float32() -> None:
    # d^2 / 2 = 5e-9 is below the rounding of exp(d) - 1 - d, 6e-8.
    policy, ref, mask = torch.zeros(1, 1), torch.full((1, 1), 1e-4), torch.ones(1, 1, dtype=torch.bool)
    assert token_kl(policy, ref, mask).item() == pytest.approx(5e-9, rel=0.01)


@pytest.mark.parametrize("reduction", ["mean", "sum"])
@pytest.mark.parametrize("garbage", [NAN, INF, -INF, 1e30])
@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_padding_changes_neither_penalty_nor_gradient(
    estimator: Estimator, garbage: float, reduction: Literal["mean", "sum"]
) -> None:
    policy, ref, mask = ragged_batch(4)
    policy.requires_grad_()
    penalty = kl_penalty(policy, ref, mask, estimator=estimator, reduction=reduction)
    gradient = torch.autograd.grad(penalty, policy)[0]
    assert not gradient[~mask].any()
    assert gradient[mask].abs().min() > 0

    extra = torch.full((len(policy), 2), garbage, dtype=torch.float64)
    wide = torch.cat([policy.detach().masked_fill(~mask, garbage), extra], dim=1).requires_grad_()
    wide_ref = torch.cat([ref.masked_fill(~mask, -garbage), extra], dim=1)
    wide_mask = torch.cat([mask, torch.zeros(len(policy), 2, dtype=torch.bool)], dim=1)
    assert not token_kl(wide, wide_ref, wide_mask, estimator=estimator)[~wide_mask].any()
    wide_penalty = kl_penalty(wide, wide_ref, wide_mask, estimator=estimator, reduction=reduction)
    torch.testing.assert_close(wide_penalty, penalty)
    wide_gradient = torch.autograd.grad(wide_penalty, wide)[0]
    torch.testing.assert_close(wide_gradient[:, :-2], gradient)
    assert not wide_gradient[:, -2:].any()


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_bf16_is_summed_in_float32(estimator: Estimator) -> None:
    ref = torch.full((1, 1024), -1.0, dtype=torch.bfloat16)
    policy = (ref + 2.0**-7).requires_grad_()
    mask = torch.ones(1, 1024, dtype=torch.bool)
    penalty = kl_penalty(policy, ref, mask, estimator=estimator, reduction="sum")
    assert penalty.dtype == torch.float32
    assert penalty.item() == pytest.approx(1024 * slow_token(-(2.0**-7), estimator, None), rel=1e-3)
    assert torch.autograd.grad(penalty, policy)[0].isfinite().all()


def test_the_reference_is_a_constant() -> None:
    policy, ref, mask = ragged_batch(5)
    penalty = kl_penalty(policy.requires_grad_(), ref.requires_grad_(), mask)
    gradients = torch.autograd.grad(penalty, [policy, ref], allow_unused=True)
    assert [gradient is None for gradient in gradients] == [False, True]
    assert gradients[0].any()


@pytest.mark.parametrize("dtype", [torch.int64, torch.bfloat16])
def test_a_mask_of_numbers_is_a_mask(dtype: torch.dtype) -> None:
    # 1001 tokens: in bf16 the count would be 1000.
    policy, ref, mask = torch.ones(1, 1002), torch.zeros(1, 1002), torch.ones(1, 1002, dtype=torch.bool)
    mask[0, -1] = False
    assert kl_penalty(policy, ref, mask.to(dtype), estimator="k1").item() == pytest.approx(1.0, rel=1e-6)


def test_errors_name_value_rule_and_remedy() -> None:
    policy, ref, mask = ragged_batch(0)
    with pytest.raises(ValueError, match=r"shapes \(6, 5\), \(1, 5\) and \(6, 5\): pass all three as \[N, T\]"):
        token_kl(policy, ref[:1], mask)
    with pytest.raises(ValueError, match=r"shapes \(6, 5\), \(6, 5\) and \(6, 1\)"):
        token_kl(policy, ref, mask[:, :1])
    for clamp in (0.0, -1.0, NAN):
        with pytest.raises(ValueError, match=f"clamp is {clamp}: .* use None for no limit"):
            token_kl(policy, ref, mask, clamp=clamp)
    with pytest.raises(ValueError, match='estimator is \'k4\': use "k1", "k2", "k3" or "k3_ratio"'):
        token_kl(policy, ref, mask, estimator="k4")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match='reduction is \'max\': use "mean" or "sum"'):
        kl_penalty(policy, ref, mask, reduction="max")  # type: ignore[arg-type]


# k3 times the ratio to the policy that sampled


def test_k3_ratio_by_hand() -> None:
    # d = log 2 and w = 3: 3 (1 - log 2), gradient -3 log 2.
    policy = torch.zeros(1, 1, dtype=torch.float64, requires_grad=True)
    ref, old = policy.detach() + math.log(2), policy.detach() - math.log(3)
    value = token_kl(policy, ref, torch.ones(1, 1), estimator="k3_ratio", old_logps=old)
    assert value.item() == pytest.approx(3 * (1 - math.log(2)))
    assert torch.autograd.grad(value.sum(), policy)[0].item() == pytest.approx(-3 * math.log(2))


def test_k3_ratio_is_k3_with_the_gradient_of_k2_on_policy() -> None:
    policy, ref, mask = ragged_batch(0)
    policy.requires_grad_()
    value = kl_penalty(policy, ref, mask, estimator="k3_ratio", old_logps=policy.detach())
    torch.testing.assert_close(value, kl_penalty(policy, ref, mask))
    wanted = torch.autograd.grad(kl_penalty(policy, ref, mask, estimator="k2"), policy)[0]
    torch.testing.assert_close(torch.autograd.grad(value, policy)[0], wanted)


def test_k3_ratio_estimates_value_and_gradient_of_kl_policy_ref_off_policy_too() -> None:
    generator = torch.Generator().manual_seed(3)
    logits, ref_logits, old_logits = torch.randn(3, 5, generator=generator, dtype=torch.float64)
    logits.requires_grad_()
    policy, ref, old = logits.log_softmax(0), ref_logits.log_softmax(0), old_logits.log_softmax(0)
    rows = (policy.unsqueeze(0), ref.unsqueeze(0), torch.ones(1, 5, dtype=torch.bool))
    tokens = token_kl(*rows, estimator="k3_ratio", old_logps=old.unsqueeze(0)).squeeze(0)
    value = (old.exp() * tokens).sum()  # the old policy drew them
    torch.testing.assert_close(value, kl_policy_ref(logits, ref))
    wanted = torch.autograd.grad(kl_policy_ref(logits, ref), logits, retain_graph=True)[0]
    torch.testing.assert_close(torch.autograd.grad(value, logits, retain_graph=True)[0], wanted)
    plain = (old.exp() * token_kl(*rows).squeeze(0)).sum()
    assert (torch.autograd.grad(plain, logits)[0] - wanted).norm() > 0.01  # k3 alone has neither


@pytest.mark.parametrize("garbage", [NAN, INF, -INF])
def test_k3_ratio_reads_no_padding(garbage: float) -> None:
    policy, ref, mask = ragged_batch(4)
    old = policy - 0.3
    expected = kl_penalty(policy, ref, mask, estimator="k3_ratio", old_logps=old)
    policy = policy.masked_fill(~mask, garbage).requires_grad_()
    old = old.masked_fill(~mask, garbage)
    value = kl_penalty(policy, ref, mask, estimator="k3_ratio", old_logps=old)
    torch.testing.assert_close(value, expected)
    assert torch.autograd.grad(value, policy)[0].isfinite().all()


def test_k3_ratio_needs_the_policy_that_sampled() -> None:
    policy, ref, mask = ragged_batch(0)
    with pytest.raises(ValueError, match=r"estimator is 'k3_ratio', old_logps None: .* pass it"):
        token_kl(policy, ref, mask, estimator="k3_ratio")
    with pytest.raises(ValueError, match="policy_logps, old_logps and mask have shapes"):
        token_kl(policy, ref, mask, estimator="k3_ratio", old_logps=policy[:1])
