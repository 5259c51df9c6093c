"""What must hold for every loss: gradients, padding, precision, constants, equal rewards, parts of a batch."""

import math
from dataclasses import replace

import pytest
import torch
from loss_batch import LOSSES, SIZE, ragged

NAN, INF = math.nan, math.inf
EVERY = pytest.mark.parametrize("loss", LOSSES.values(), ids=LOSSES)
COMPARE_REWARDS = {name: loss for name, loss in LOSSES.items() if name not in ("reinforce", "dpo", "sft")}


@pytest.mark.parametrize("loss", [f for name, f in LOSSES.items() if "detached" not in name])
def test_gradcheck(loss) -> None:
    batch = ragged(7)
    assert torch.autograd.gradcheck(lambda policy: loss(replace(batch, policy=policy)), batch.policy.requires_grad_())


@pytest.mark.parametrize("garbage", [NAN, INF, -INF, 1e30])
@EVERY
def test_padding_changes_neither_loss_nor_gradient(loss, garbage: float) -> None:
    batch = ragged(5)
    batch.policy.requires_grad_()
    value = loss(batch)
    gradient = torch.autograd.grad(value, batch.policy)[0]
    assert not gradient[~batch.mask].any()
    assert gradient.any()
    mask, num = batch.mask, len(batch.mask)
    extra = torch.full((num, 3), garbage, dtype=torch.float64)
    wide = replace(
        batch,
        policy=torch.cat([batch.policy.detach().masked_fill(~mask, garbage), extra], dim=1).requires_grad_(),
        old=torch.cat([batch.old.masked_fill(~mask, -garbage), extra], dim=1),
        mask=torch.cat([mask, torch.zeros(num, 3, dtype=torch.bool)], dim=1),
    )
    wide_value = loss(wide)
    torch.testing.assert_close(wide_value, value)
    wide_gradient = torch.autograd.grad(wide_value, wide.policy)[0]
    torch.testing.assert_close(wide_gradient[:, :-3], gradient)
    assert not wide_gradient[:, -3:].any()


@EVERY
def test_bf16_is_reduced_in_float32(loss) -> None:
    """1024 tokens a response: their sum in bf16 would be off by percents."""
    generator = torch.Generator().manual_seed(0)
    old = -torch.rand(2 * SIZE, 1024, generator=generator).bfloat16()
    policy = (old + 0.01 * torch.randn(old.shape, generator=generator)).bfloat16()
    batch = replace(ragged(0, num_groups=2), policy=policy, old=old, mask=torch.ones_like(old).bool())
    batch.policy.requires_grad_()
    value = loss(batch)
    assert value.dtype == torch.float32
    exact = loss(replace(batch, policy=policy.double(), old=old.double()))
    torch.testing.assert_close(value.double(), exact.detach(), rtol=1e-4, atol=1e-5)
    assert torch.autograd.grad(value, batch.policy)[0].isfinite().all()


@EVERY
def test_old_and_rewards_are_constants(loss) -> None:
    batch = ragged(2)
    for tensor in (batch.policy, batch.old, batch.rewards):
        tensor.requires_grad_()
    found = torch.autograd.grad(loss(batch), [batch.policy, batch.old, batch.rewards], allow_unused=True)
    assert [gradient is None for gradient in found] == [False, True, True]


@EVERY
def test_a_mask_of_numbers_is_a_mask(loss) -> None:
    batch = ragged(6)
    assert loss(replace(batch, mask=batch.mask.long())).item() == loss(batch).item()


@EVERY
def test_an_empty_response_is_no_nan(loss) -> None:
    batch = ragged(3)
    batch.mask[0] = False
    batch.policy.requires_grad_()
    gradient = torch.autograd.grad(loss(batch), batch.policy)[0]
    assert gradient.isfinite().all()
    assert not gradient[0].any()
    assert gradient[SIZE:].any()


@EVERY
def test_duplicates_have_the_same_gradient_each_with_its_own_reward(loss) -> None:
    """Two equal responses of a group stay two: with one reward they are pulled alike."""
    batch = ragged(4)
    for tensor in (batch.policy, batch.old, batch.mask, batch.rewards):
        tensor[2] = tensor[1]
    batch.rewards[:SIZE] = torch.tensor([0.1, 1.0, 1.0, 1.9])  # the duplicates are neither best nor worst
    batch.policy.requires_grad_()
    gradient = torch.autograd.grad(loss(batch), batch.policy)[0]
    assert torch.allclose(gradient[1], gradient[2], atol=1e-12)


@pytest.mark.parametrize("loss", COMPARE_REWARDS.values(), ids=COMPARE_REWARDS)
def test_equal_rewards_have_no_gradient_on_policy_and_a_shift_of_rewards_changes_nothing(loss) -> None:
    batch = ragged(1)
    shifted = loss(replace(batch, rewards=batch.rewards + 3))
    torch.testing.assert_close(shifted, loss(batch))
    equal = replace(batch, rewards=torch.full_like(batch.rewards, 0.7), old=batch.policy.clone())
    equal.policy.requires_grad_()
    gradient = torch.autograd.grad(loss(equal), equal.policy)[0]
    torch.testing.assert_close(gradient, torch.zeros_like(gradient), rtol=0, atol=1e-12)


@EVERY
def test_the_mean_over_parts_is_the_batchs(loss) -> None:
    """A step adds the gradients of its parts: every group must weigh the same."""
    batch = ragged(8)
    parts = [
        loss(
            replace(
                batch, **{name: getattr(batch, name)[i : i + SIZE] for name in ("policy", "old", "rewards", "mask")}
            )
        )
        for i in range(0, 12, SIZE)
    ]
    torch.testing.assert_close(torch.stack(parts).mean(), loss(batch))


@EVERY
def test_shapes_must_agree(loss) -> None:
    batch = ragged(0)
    with pytest.raises(ValueError, match=r"and mask have shapes .*: pass (both|all three) as \[N, T\]"):
        loss(replace(batch, mask=batch.mask[:, 1:]))


@pytest.mark.parametrize("loss", [loss for name, loss in LOSSES.items() if name not in ("dpo", "sft")])
def test_one_value_a_response(loss) -> None:
    batch = ragged(0)
    with pytest.raises(ValueError, match=r"have shape \(8,\): pass one for each of 12 responses"):
        loss(replace(batch, rewards=batch.rewards[:8]))
