"""SFT by hand, against PyTorch's cross-entropy, and without responses."""

import pytest
import torch
from loss_batch import f64
from torch.nn.functional import cross_entropy

from trainer.losses.sft import sft


def test_by_hand() -> None:
    policy = f64([[-1, -3], [-4, 9], [7, 7]])
    mask = torch.tensor([[True, True], [True, False], [False, False]])
    # Token means 2, 4, none: 0.
    assert sft(policy, mask).item() == pytest.approx(2.0)


def test_agrees_with_cross_entropy_a_response() -> None:
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(3, 5, 11, generator=generator, dtype=torch.float64)
    tokens = torch.randint(0, 11, (3, 5), generator=generator)
    mask = torch.arange(5) < torch.tensor([[5], [2], [3]])
    policy = logits.log_softmax(-1).gather(-1, tokens.unsqueeze(-1)).squeeze(-1)
    each = [cross_entropy(logits[i][mask[i]], tokens[i][mask[i]]).item() for i in range(3)]
    assert sft(policy, mask).item() == pytest.approx(sum(each) / 3)


def test_the_gradient_is_even_over_a_responses_tokens() -> None:
    policy = torch.zeros(2, 4, dtype=torch.float64, requires_grad=True)
    mask = torch.tensor([[True, False, False, False], [True] * 4])
    gradient = torch.autograd.grad(sft(policy, mask), policy)[0]
    assert gradient.tolist() == [[-0.5, 0, 0, 0], [-0.125] * 4]


def test_no_responses_give_zero() -> None:
    policy = torch.zeros(0, 4, requires_grad=True)
    assert sft(policy, torch.zeros(0, 4)).item() == 0
