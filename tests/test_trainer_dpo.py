"""DPO by hand, against a slow loop, its gradient, and a batch without pairs."""

import math

import pytest
import torch
from loss_batch import f64, gradient, one_token, ragged

from trainer.losses.dpo import dpo

PAIR = torch.tensor([[1, 0]])


def test_by_hand() -> None:
    # h = 0, 2 and beta = log 3 / 2: sigmoid(log 3) = 3 / 4.
    batch = one_token([0.0, 2.0], [0, 1])
    loss = dpo(batch.policy, batch.old, batch.mask, PAIR, beta=math.log(3) / 2)
    assert loss.item() == pytest.approx(math.log(4 / 3))
    reverse = dpo(batch.policy, batch.old, batch.mask, PAIR.flip(1), beta=math.log(3) / 2)
    assert reverse.item() == pytest.approx(math.log(4))
    same = one_token([0.0, 0.0], [0, 1])
    assert dpo(same.policy, same.old, same.mask, PAIR).item() == pytest.approx(math.log(2))


@pytest.mark.parametrize("beta", [0.1, 1.0])
@pytest.mark.parametrize("seed", range(3))
def test_agrees_with_a_slow_loop(seed: int, beta: float) -> None:
    batch, losses = ragged(seed), []
    pairs = [(0, 3), (5, 4), (11, 8), (9, 8)]
    for better, worse in pairs:
        h = [
            sum((batch.policy[i, t] - batch.old[i, t]).item() for t in range(6) if batch.mask[i, t])
            for i in (better, worse)
        ]
        losses.append(-math.log(1 / (1 + math.exp(-beta * (h[0] - h[1])))))
    loss = dpo(batch.policy, batch.old, batch.mask, torch.tensor(pairs), beta=beta)
    assert loss.item() == pytest.approx(sum(losses) / len(losses), rel=1e-12)


def test_gradient_is_opposite_and_falls_with_the_margin() -> None:
    for margin in (-3.0, 0.0, 3.0):
        batch = one_token([0.0, margin], [0, 1])
        found = gradient(lambda b: dpo(b.policy, b.old, b.mask, PAIR, beta=0.5), batch)
        expected = 0.5 / (1 + math.exp(0.5 * margin))
        assert found.tolist() == pytest.approx([expected, -expected])


def test_a_shift_of_both_is_free_and_responses_in_no_pair_are_untouched() -> None:
    shifted = one_token([5.0, 7.0, 1.0], [0, 1, 0])
    loss = dpo(shifted.policy, shifted.old, shifted.mask, PAIR)
    batch = one_token([0.0, 2.0], [0, 1])
    torch.testing.assert_close(loss, dpo(batch.policy, batch.old, batch.mask, PAIR))
    assert torch.autograd.grad(loss, shifted.policy)[0][2].item() == 0


def test_far_margins_do_not_overflow() -> None:
    batch = one_token([0.0, -2000.0], [0, 1])
    assert dpo(batch.policy, batch.old, batch.mask, PAIR, beta=1.0).item() == pytest.approx(2000.0)


def test_no_pairs_give_zero_and_zero_gradients() -> None:
    batch = one_token([0.5, 1.0], [1, 1])
    loss = dpo(batch.policy, batch.old, batch.mask, torch.zeros(0, 2, dtype=torch.long))
    assert loss.item() == 0
    assert not torch.autograd.grad(loss, batch.policy)[0].any()


def test_errors_name_value_rule_and_remedy() -> None:
    batch = one_token(f64([0, 1]).tolist(), [0, 1])
    with pytest.raises(ValueError, match=r"pairs have shape \(2,\): pass \[P, 2\]"):
        dpo(batch.policy, batch.old, batch.mask, torch.tensor([1, 0]))
    with pytest.raises(ValueError, match=r"beta is 0.0: .* use 0.1"):
        dpo(batch.policy, batch.old, batch.mask, PAIR, beta=0.0)
