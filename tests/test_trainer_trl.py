"""Our losses beside TRL's own code, where the two mean the same: value and gradient of its trainers' `_compute_loss`.

TRL's methods are called unbound, on a namespace that holds just the attributes they read.
"""

import warnings
from collections import defaultdict
from types import SimpleNamespace
from typing import Any

import pytest
import torch

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # TRL warns that vLLM is newer than what it was tested with
    from trl.trainer.dpo_trainer import DPOTrainer
    from trl.trainer.grpo_trainer import GRPOTrainer
    from trl.trainer.rloo_trainer import RLOOTrainer

from trainer.advantage import advantages, centred_rewards, leave_one_out
from trainer.losses.dpo import dpo
from trainer.losses.dr_grpo import dr_grpo
from trainer.losses.grpo import grpo
from trainer.losses.importance import sampling_weights
from trainer.losses.kl import kl_penalty
from trainer.losses.rloo import rloo

G, N, T = 4, 8, 6
ACCELERATOR = SimpleNamespace(
    device=torch.device("cpu"),
    gather=lambda x: x,
    gather_for_metrics=lambda x: x,
    reduce=lambda x, reduction: x,
)


@pytest.fixture(params=range(3), name="data")
def _data(request: pytest.FixtureRequest) -> SimpleNamespace:
    generator = torch.Generator().manual_seed(request.param)
    policy, old, ref = (torch.randn(N, T, generator=generator, dtype=torch.float64) * 0.3 - 2 for _ in range(3))
    lengths = torch.randint(1, T + 1, (N, 1), generator=generator)
    rewards = torch.randint(0, 3, (N,), generator=generator).double()
    rewards[::G] += 1.5
    mask = torch.arange(T)[None] < lengths
    return SimpleNamespace(policy=policy.requires_grad_(), old=old, ref=ref, mask=mask, rewards=rewards)


def trl_grpo(data: SimpleNamespace, actual: torch.Tensor, loss_type: str, **settings: Any) -> torch.Tensor:
    args = SimpleNamespace(delta=None, use_bias_correction_kl=settings.pop("bias_correction", False))
    fake = SimpleNamespace(
        _get_per_token_logps_and_entropies=lambda *a, **k: (data.policy, torch.zeros(N, T), None),
        accelerator=ACCELERATOR,
        args=args,
        model=SimpleNamespace(training=False),
        loss_type=loss_type,
        aux_loss_enabled=False,
        top_entropy_quantile=1.0,
        off_policy_mask_threshold=None,
        importance_sampling_level="token",
        use_vllm="importance_sampling_ratio" in settings,
        vllm_importance_sampling_correction=True,
        max_completion_length=10,
        _entropy_bonus_enabled=False,
        _metrics={"eval": defaultdict(list)},
        **{"beta": 0.0, "epsilon_low": 0.2, "epsilon_high": 0.2}
        | {key: value for key, value in settings.items() if key != "importance_sampling_ratio"},
    )
    inputs = trl_inputs(data, actual) | {"old_per_token_logps": data.old, "ref_per_token_logps": data.ref}
    return GRPOTrainer._compute_loss(fake, None, inputs | settings)


def trl_inputs(data: SimpleNamespace, actual: torch.Tensor) -> dict[str, Any]:
    prompt = torch.ones(N, 1, dtype=torch.long)
    ids = torch.zeros(N, T, dtype=torch.long)
    mask = data.mask.long()
    return {"prompt_ids": prompt, "prompt_mask": prompt, "completion_ids": ids, "completion_mask": mask} | {
        "advantages": actual
    }


def assert_same(ours: torch.Tensor, theirs: torch.Tensor, data: SimpleNamespace) -> None:
    torch.testing.assert_close(ours, theirs, rtol=1e-12, atol=1e-12)
    found, expected = (torch.autograd.grad(loss, data.policy)[0] for loss in (ours, theirs))
    assert expected.abs().max() > 1e-3
    torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(("low", "high"), [(0.2, 0.2), (0.05, 0.5)])
def test_grpo(data: SimpleNamespace, low: float, high: float) -> None:
    actual = advantages(data.rewards, G, std="sample", eps=1e-4)
    theirs = trl_grpo(data, actual, "grpo", epsilon_low=low, epsilon_high=high)
    assert_same(grpo(data.policy, data.old, actual, data.mask, clip_low=low, clip_high=high), theirs, data)


@pytest.mark.parametrize(("estimator", "bias_correction"), [("k3", False), ("k3_ratio", True)])
def test_grpo_with_its_kl(data: SimpleNamespace, estimator: Any, bias_correction: bool) -> None:
    actual = advantages(data.rewards, G)
    theirs = trl_grpo(data, actual, "grpo", beta=0.3, bias_correction=bias_correction)
    kl = kl_penalty(data.policy, data.ref, data.mask, estimator=estimator, old_logps=data.old)
    assert_same(grpo(data.policy, data.old, actual, data.mask) + 0.3 * kl, theirs, data)


@pytest.mark.parametrize("level", ["token", "sequence"])
def test_grpo_with_importance_sampling(data: SimpleNamespace, level: Any) -> None:
    """TRL's loss takes the truncated ratios as they are; it weighs the policy term, not the KL, as ours does."""
    actual = advantages(data.rewards, G)
    weights = sampling_weights(data.old, data.ref, data.mask, level=level, cap=1.2)
    theirs = trl_grpo(data, actual, "grpo", importance_sampling_ratio=weights)
    assert_same(grpo(data.policy, data.old, actual, data.mask, sampling_weights=weights), theirs, data)


def test_dr_grpo(data: SimpleNamespace) -> None:
    actual = centred_rewards(data.rewards, G)
    ours = dr_grpo(data.policy, data.old, actual, data.mask, max_tokens=10)
    assert_same(ours, trl_grpo(data, actual, "dr_grpo"), data)


def test_rloo_at_the_old_policy(data: SimpleNamespace) -> None:
    """TRL clips a sequence's ratio, ours has none: at theta = old the gradients are the same, the values are not."""
    fake = SimpleNamespace(
        _get_per_token_logps_and_entropies=lambda *a, **k: (data.policy, torch.zeros(N, T), None),
        accelerator=ACCELERATOR,
        model=SimpleNamespace(training=False),
        aux_loss_enabled=False,
        epsilon_low=0.2,
        epsilon_high=0.2,
        _metrics={"eval": defaultdict(list)},
    )
    old = (data.policy * data.mask).sum(1).detach()
    inputs = trl_inputs(data, leave_one_out(data.rewards, G)) | {"old_logps": old}
    theirs = torch.autograd.grad(RLOOTrainer._compute_loss(fake, None, inputs), data.policy)[0]
    ours = torch.autograd.grad(rloo(data.policy, data.rewards, data.mask, group_size=G), data.policy)[0]
    assert theirs.abs().max() > 1e-3
    torch.testing.assert_close(ours, theirs, rtol=1e-12, atol=1e-12)


def test_dpo(data: SimpleNamespace) -> None:
    """TRL takes the chosen rows, then the rejected ones; a model's log-probs are 0 outside the completion."""
    order = torch.cat([torch.arange(0, N, 2), torch.arange(1, N, 2)])
    mask = data.mask[order]
    rows = torch.where(mask, data.policy[order], 0.0)
    nothing = torch.zeros(N, T)
    outputs = SimpleNamespace(log_probs=rows, entropy=nothing, mean_logits=nothing, is_top1=nothing.bool())
    fake = SimpleNamespace(
        accelerator=ACCELERATOR,
        model=SimpleNamespace(training=False),
        aux_loss_enabled=False,
        ld_alpha=None,
        precompute_ref_logps=True,
        f_divergence_type="reverse_kl",
        loss_types=["sigmoid"],
        loss_weights=[1.0],
        beta=0.3,
        use_weighting=False,
        _total_train_tokens=0,
        _metrics={"eval": defaultdict(list)},
    )
    ref = (data.ref * data.mask).sum(1)[order]
    inputs = {
        "input_ids": torch.zeros(N, T + 1, dtype=torch.long),
        "completion_mask": torch.cat([torch.zeros(N, 1, dtype=torch.long), mask.long()], dim=1),
        "ref_chosen_logps": ref[: N // 2],
        "ref_rejected_logps": ref[N // 2 :],
    }
    theirs = DPOTrainer._compute_loss(fake, lambda **_: outputs, inputs, return_outputs=False)
    pairs = torch.arange(N).reshape(-1, 2)
    assert_same(dpo(data.policy, data.ref, data.mask, pairs, beta=0.3), theirs, data)
