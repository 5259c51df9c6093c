"""A step's rows: what the update did as a whole, and each rollout's part in it."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np
import torch

from storage.records import OldLogprobs, Rollout, TrainRollout, TrainStep
from trainer.gradient import Part
from trainer.policy_loss import effective_beta
from trainer.training import OldLogps, Training


def step_record(
    training: Training,
    step: int,
    groups: Sequence[Sequence[Rollout]],
    parts: Sequence[Part],
    stored: OldLogps,
    *,
    grad_norm: float,
) -> TrainStep:
    """The row of optimiser step `step`, as if it is taken; `parts` are the forward passes over `groups`, in order."""
    config, weight = training.config, training.kl_weight
    batch_index, update_index = divmod(step, config.updates_per_batch)
    rho = torch.cat([part.rho for part in parts]).double()
    lengths = [len(rollout.response_token_ids) for group in groups for rollout in group]
    # A group's input is its first rollout's; responses of another pass were sampled on another one (NoisyRollout).
    comparable = [r for group in groups for r in group if r.pass_ == group[0].pass_]
    mismatch = np.concatenate(
        [np.abs(r.engine_logprobs - _sampler(r, stored[r.group_id, r.rollout_index])) for r in comparable]
    )
    shares = [len(part.rho) / len(rho) for part in parts]
    loss, kl = (sum(s * getattr(p, n) for s, p in zip(shares, parts, strict=True)) for n in ("loss", "kl"))
    capped = [c for part in parts for c in part.capped]
    return TrainStep(
        run_id=training.inputs.run_id,
        round_index=training.inputs.round_index,
        step=step,
        batch_index=batch_index,
        update_index=update_index,
        loss=loss + weight * kl,
        policy_loss=loss,
        kl=kl,
        grad_norm=grad_norm,
        rho_mean=float(rho.mean()),
        rho_std=float(rho.view(len(groups), -1).std(dim=1, correction=0).mean()),
        engine_mismatch_mean=float(mismatch.mean()),
        engine_mismatch_max=float(mismatch.max()),
        effective_beta=effective_beta(config.loss, weight, config.kl_reduction, float(np.mean(lengths))),
        learning_rate=config.learning_rate,
        num_groups=len(groups),
        num_tokens=sum(lengths),
        kl_weight=weight,
        importance_capped=float(np.mean(capped)) if capped else None,
        stopped=None,
    )


def rollout_records(
    step: TrainStep, groups: Sequence[Sequence[Rollout]], parts: Sequence[Part], stored: OldLogps
) -> list[TrainRollout]:
    """A row for each rollout of the step's groups."""
    rollouts = [rollout for group in groups for rollout in group]
    advantage = itertools.chain.from_iterable(part.advantages.tolist() for part in parts)
    policy = itertools.chain.from_iterable(part.policy_logps.tolist() for part in parts)
    return [
        TrainRollout(
            run_id=step.run_id,
            round_index=step.round_index,
            step=step.step,
            group_id=r.group_id,
            rollout_index=r.rollout_index,
            advantage=a,
            old_logp=float(stored[r.group_id, r.rollout_index].old_logps.sum(dtype=np.float64)),
            policy_logp=p,
        )
        for r, a, p in zip(rollouts, advantage, policy, strict=True)
    ]


def _sampler(rollout: Rollout, stored: OldLogprobs) -> np.ndarray:
    """Log-probs under the policy that sampled a rollout: version 0 is the reference, which may be older than old."""
    return stored.ref_logps if rollout.policy_version == 0 else stored.old_logps
