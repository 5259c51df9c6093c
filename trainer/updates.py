"""The optimiser steps of a round: what `train` does and `replay` does again.

A step reads nothing but the policy, the optimiser's state, the groups and their stored log-probs: the same start
gives the same steps.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from accelerate import Accelerator
from accelerate.utils import set_seed
from torch import Tensor

from storage.digest import derive_seed
from storage.progress import Progress
from storage.records import OldLogprobs, Rollout, TrainRollout, TrainStep
from trainer.batch import Group, collate, encode_group
from trainer.config import TrainConfig
from trainer.kl_weight import adapted
from trainer.losses.kl import kl_penalty
from trainer.pairs import best_and_worst
from trainer.policy import checkpoint_layers, forbidden_token_ids, load_policy, load_processor
from trainer.policy_loss import Responses, effective_beta, policy_loss, response_advantages
from trainer.prefix import response_logprobs

OPTIMIZER_FILE = "optimizer.pt"
OldLogps = Mapping[tuple[str, int], OldLogprobs]
"""Old and reference log-probs by (group_id, rollout_index)."""


@dataclass(frozen=True)
class TrainInputs:
    """What a round's training starts from. groups: rollouts of each group in training order. optimizer: its folder.

    first_step: optimiser steps of all earlier rounds. logs: the folder that trackers write to.
    """

    groups: Sequence[Sequence[Rollout]]
    policy: Path
    reference: Path
    optimizer: Path | None
    locate: Callable[[str], Path]
    scratch: Callable[[], Path]
    run_id: str
    round_index: int
    seed: int
    first_step: int = 0
    logs: Path | None = None


class Training:
    """A policy with its optimiser at the start of a round."""

    def __init__(self, inputs: TrainInputs, config: TrainConfig, progress: Progress) -> None:
        set_seed(inputs.seed)
        self.inputs, self.config, self.progress = inputs, config, progress
        precision = "bf16" if config.dtype == "bfloat16" else "no"
        self.accelerator = Accelerator(
            mixed_precision=precision, log_with=list(config.trackers) or None, project_dir=inputs.logs
        )
        self.processor = load_processor(inputs.policy)
        self.forbidden = forbidden_token_ids(self.processor)
        model = load_policy(inputs.policy, trainable=True)
        if config.gradient_checkpointing:
            checkpoint_layers(model)
        trained = [p for p in model.parameters() if p.requires_grad]
        optimizer = torch.optim.AdamW(trained, lr=config.learning_rate, weight_decay=config.weight_decay)
        self.model, self.optimizer = self.accelerator.prepare(model, optimizer)
        if inputs.optimizer is not None:
            self.optimizer.load_state_dict(torch.load(inputs.optimizer / OPTIMIZER_FILE, weights_only=True))
            for group in self.optimizer.param_groups:  # the rate is today's setting, the moments are the state's
                group["lr"] = config.learning_rate

    @property
    def kl_weight(self) -> float:
        """The weight of the next step; an adaptive one is part of the optimiser's state."""
        if self.config.kl_target is None:
            return self.config.kl_weight
        weight: float = self.optimizer.param_groups[0].get("kl_weight", self.config.kl_weight)
        return weight

    @property
    def device(self) -> torch.device:
        """Where the model is."""
        device: torch.device = self.accelerator.device
        return device

    @property
    def policy(self) -> Any:
        """The model that is being trained, without what Accelerate wraps it in."""
        return self.accelerator.unwrap_model(self.model)

    def encode(self) -> list[Group]:
        """The groups in training order, each video encoded once."""
        groups = []
        for i, group in enumerate(self.inputs.groups):
            groups.append(encode_group(group, self.policy, self.processor, self.inputs.locate, self.device))
            self.progress("encode videos", i + 1, len(self.inputs.groups))
        return groups

    def score(self, model: Any, group: Group) -> list[np.ndarray]:
        """Log-probs of a group's responses under `model`, float32 [T] each, without gradients."""
        batch = collate([group], model.config, self.forbidden, self.device)
        with torch.no_grad(), self.accelerator.autocast():
            logps = response_logprobs(model, batch).cpu().numpy()
        return [row[: len(rollout.response_token_ids)] for row, rollout in zip(logps, group.rollouts, strict=True)]

    def updates(self, groups: Sequence[Group], stored: OldLogps) -> Iterator[tuple[TrainStep, list[TrainRollout]]]:
        """Does one optimiser step after the other, and yields each with its rollouts' part in it; ends at a ceiling."""
        size, updates = self.config.groups_per_batch, self.config.updates_per_batch
        starts, step = range(0, len(groups), size), 0
        for batch_index, start in enumerate(starts):
            for update_index in range(updates):
                record, rows = self._step(step, batch_index, update_index, groups[start : start + size], stored)
                yield record, rows
                step += 1
                figures = {"loss": record.loss, "kl": record.kl, "rho_std": record.rho_std}
                self.progress("update policy", step, len(starts) * updates, **figures)
                if record.stopped is not None:
                    return

    def _step(
        self,
        step: int,
        batch_index: int,
        update_index: int,
        groups: Sequence[Group],
        stored: OldLogps,
    ) -> tuple[TrainStep, list[TrainRollout]]:
        parts = [
            self._accumulate(groups[i : i + self.config.groups_per_forward], len(groups), stored)
            for i in range(0, len(groups), self.config.groups_per_forward)
        ]
        weight = self.kl_weight
        norm = float(self.accelerator.clip_grad_norm_(self.model.parameters(), self.config.max_grad_norm))
        rollouts = [rollout for group in groups for rollout in group.rollouts]
        rho = torch.cat([part.rho for part in parts]).double()
        lengths = [len(rollout.response_token_ids) for rollout in rollouts]
        rho_std = float(rho.view(len(groups), -1).std(dim=1, correction=0).mean())
        # A group's input is its first rollout's; responses of another pass were sampled on another one (NoisyRollout).
        comparable = [r for group in groups for r in group.rollouts if r.pass_ == group.rollouts[0].pass_]
        mismatch = np.concatenate(
            [np.abs(r.engine_logprobs - _sampler(r, stored[r.group_id, r.rollout_index])) for r in comparable]
        )
        shares = [len(part.rho) / len(rho) for part in parts]
        loss, kl = (sum(s * getattr(p, n) for s, p in zip(shares, parts, strict=True)) for n in ("loss", "kl"))
        stopped = self._exceeded(kl, rho_std)
        if stopped is None:
            self.optimizer.step()
            if self.config.kl_target is not None:
                self.optimizer.param_groups[0]["kl_weight"] = adapted(weight, kl, self.config.kl_target)
        self.optimizer.zero_grad()
        record = TrainStep(
            run_id=self.inputs.run_id,
            round_index=self.inputs.round_index,
            step=step,
            batch_index=batch_index,
            update_index=update_index,
            loss=loss + weight * kl,
            policy_loss=loss,
            kl=kl,
            grad_norm=norm,
            rho_mean=float(rho.mean()),
            rho_std=rho_std,
            engine_mismatch_mean=float(mismatch.mean()),
            engine_mismatch_max=float(mismatch.max()),
            effective_beta=effective_beta(self.config.loss, weight, self.config.kl_reduction, float(np.mean(lengths))),
            learning_rate=self.config.learning_rate,
            num_groups=len(groups),
            num_tokens=sum(lengths),
            kl_weight=weight,
            stopped=stopped,
        )
        advantage = itertools.chain.from_iterable(part.advantages.tolist() for part in parts)
        policy = itertools.chain.from_iterable(part.policy_logps.tolist() for part in parts)
        rows = [
            TrainRollout(
                run_id=record.run_id,
                round_index=record.round_index,
                step=step,
                group_id=r.group_id,
                rollout_index=r.rollout_index,
                advantage=a,
                old_logp=float(stored[r.group_id, r.rollout_index].old_logps.sum(dtype=np.float64)),
                policy_logp=p,
            )
            for r, a, p in zip(rollouts, advantage, policy, strict=True)
        ]
        return record, rows

    def _exceeded(self, kl: float, rho_std: float) -> str | None:
        """The ceiling that a step is above, in words; None below both."""
        for name, value in (("kl", kl), ("rho_std", rho_std)):
            ceiling = getattr(self.config, f"max_{name}")
            if ceiling is not None and value > ceiling:
                return f"{name} is {value:.4g}, train.max_{name} {ceiling:g}"
        return None

    def _accumulate(self, groups: Sequence[Group], num_groups: int, stored: OldLogps) -> _Part:
        """Adds the gradient of some of a step's `num_groups` groups; every group weighs the same."""
        batch = collate(groups, self.policy.config, self.forbidden, self.device)
        rollouts = [rollout for group in groups for rollout in group.rollouts]
        rows = [stored[r.group_id, r.rollout_index] for r in rollouts]
        old, ref = (
            self._padded([getattr(row, name) for row in rows], batch.mask) for name in ("old_logps", "ref_logps")
        )
        group_size = len(groups[0].rollouts)
        rewards = torch.tensor([r.reward for r in rollouts], dtype=torch.float64)
        advantage = response_advantages(self.config.loss, rewards, group_size).float()
        seeds = [derive_seed(self.inputs.seed, "pairs", group.rollouts[0].group_id) for group in groups]
        pairs = best_and_worst(rewards, group_size, seeds)
        with self.accelerator.autocast():
            logps = response_logprobs(self.model, batch)
        responses = Responses(
            policy_logps=logps,
            old_logps=old,
            ref_logps=ref,
            mask=batch.mask,
            rewards=rewards.float().to(self.device),
            advantages=advantage.to(self.device),
            pairs=pairs.to(self.device),
            group_size=group_size,
        )
        loss = policy_loss(self.config.loss, responses)
        kl = kl_penalty(
            logps,
            ref,
            batch.mask,
            estimator=self.config.kl_estimator,
            clamp=self.config.kl_clamp,
            reduction=self.config.kl_reduction,
            old_logps=old,
        )
        self.accelerator.backward((loss + self.kl_weight * kl) * (len(groups) / num_groups))
        sums = logps.detach().double().sum(dim=1).cpu()
        rho = sums - old.double().sum(dim=1).cpu()
        return _Part(float(loss.detach()), float(kl.detach()), rho, sums, advantage)

    def _padded(self, rows: Sequence[np.ndarray], mask: Tensor) -> Tensor:
        result = torch.zeros(mask.shape, device=self.device)
        for i, row in enumerate(rows):
            result[i, : len(row)] = torch.tensor(row)
        return result


def _sampler(rollout: Rollout, stored: OldLogprobs) -> np.ndarray:
    """Log-probs under the policy that sampled a rollout: version 0 is the reference, which may be older than old."""
    return stored.ref_logps if rollout.policy_version == 0 else stored.old_logps


@dataclass(frozen=True)
class _Part:
    """What one forward pass of a step leaves: means over its groups, and [N] rho, log-prob sums and advantages."""

    loss: float
    kl: float
    rho: Tensor
    policy_logps: Tensor
    advantages: Tensor
