"""The optimiser steps of a round: what `train` does and `replay` does again.

A step reads nothing but the policy, the optimiser's state, the groups and their stored log-probs: the same start
gives the same steps.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from accelerate import Accelerator
from accelerate.utils import set_seed
from peft import PeftModel
from torch import Tensor

from storage.digest import derive_seed
from storage.errors import UserError
from storage.progress import Progress
from storage.records import OldLogprobs, Rollout, TrainRollout, TrainStep
from trainer.batch import Group, collate, encode_group
from trainer.config import TrainConfig
from trainer.kl_weight import adapted
from trainer.lora import load_adapter, new_adapter
from trainer.losses.importance import sampling_weights
from trainer.losses.kl import kl_penalty
from trainer.pairs import best_and_worst
from trainer.policy import forbidden_token_ids, load_policy, load_processor, recompute_activations
from trainer.policy_loss import Responses, effective_beta, policy_loss, response_advantages
from trainer.prefix import response_logprobs

OPTIMIZER_FILE = "optimizer.pt"
OldLogps = Mapping[tuple[str, int], OldLogprobs]
"""Old and reference log-probs by (group_id, rollout_index)."""


@dataclass(frozen=True)
class TrainInputs:
    """What a round's training starts from. groups: rollouts of each group in training order. optimizer: its folder.

    adapter: the folder of the LoRA adapter that makes the reference the policy; None without LoRA and in round 0.
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
    adapter: Path | None = None


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
        model, self.adapter = self._load()
        if config.gradient_checkpointing:
            recompute_activations(model)
        trained = [p for p in model.parameters() if p.requires_grad]
        optimizer = torch.optim.AdamW(trained, lr=config.learning_rate, weight_decay=config.weight_decay)
        self.model, self.optimizer = self.accelerator.prepare(model, optimizer)
        if inputs.optimizer is not None:
            self.optimizer.load_state_dict(torch.load(inputs.optimizer / OPTIMIZER_FILE, weights_only=True))
            for group in self.optimizer.param_groups:  # the rate is today's setting, the moments are the state's
                group["lr"] = config.learning_rate

    def _load(self) -> tuple[Any, PeftModel | None]:
        """The model to train, and its adapter if there is one: base + adapter, never the merged copy."""
        inputs, lora = self.inputs, self.config.lora
        if lora is None:
            return load_policy(inputs.policy, trainable=True), None
        if inputs.adapter is None and inputs.policy != inputs.reference:
            raise UserError(
                f"train.lora: the policy {inputs.policy} is not the reference and has no adapter, so it was trained "
                "whole; leave train.lora out, or start a run whose model.path it is"
            )
        model = load_policy(inputs.reference, trainable=False)
        if inputs.adapter is not None:
            return model, load_adapter(model, lora, inputs.adapter)
        return model, new_adapter(model, lora, derive_seed(inputs.seed, "lora"))

    @contextmanager
    def reference(self) -> Iterator[Any]:
        """The frozen reference: the policy with its adapter off; without LoRA a second model, gone afterwards."""
        if self.adapter is None:
            yield load_policy(self.inputs.reference, trainable=False).to(self.device)
        else:
            with self.adapter.disable_adapter():
                yield self.policy

    def merged(self) -> Any:
        """The policy as plain weights, in float32; an adapter ends with this, and its steps too."""
        return self.policy if self.adapter is None else self.adapter.merge_and_unload()

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

    def weights(self) -> dict[str, Tensor]:
        """The weights that are trained, by name."""
        return {name: p.detach() for name, p in self.policy.named_parameters() if p.requires_grad}

    def updates(
        self, groups: Sequence[Group], stored: OldLogps, done: int = 0
    ) -> Iterator[tuple[TrainStep, list[TrainRollout]]]:
        """Does one optimiser step after the other, and yields each with its rollouts' part in it; ends at a ceiling.

        done: steps of the round that the policy has had already.
        """
        size, updates = self.config.groups_per_batch, self.config.updates_per_batch
        num_steps = -(-len(groups) // size) * updates
        for step in range(done, num_steps):
            batch_index, update_index = divmod(step, updates)
            start = batch_index * size
            record, rows = self._step(step, batch_index, update_index, groups[start : start + size], stored)
            yield record, rows
            figures = {"loss": record.loss, "kl": record.kl, "rho_std": record.rho_std}
            self.progress("update policy", step + 1, num_steps, **figures)
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
        capped = [c for part in parts for c in part.capped]
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
            importance_capped=float(np.mean(capped)) if capped else None,
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
        weights, capped = self._sampling_weights(rollouts, old, batch.mask)
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
            sampling_weights=weights,
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
        return _Part(float(loss.detach()), float(kl.detach()), rho, sums, advantage, capped)

    def _sampling_weights(
        self, rollouts: Sequence[Rollout], old: Tensor, mask: Tensor
    ) -> tuple[Tensor | None, list[bool]]:
        """Importance weights of some responses, and which of their tokens (or of themselves) are at the cap."""
        level, cap = self.config.importance_sampling, self.config.importance_cap
        if level == "off":
            return None, []
        engine = self._padded([rollout.engine_logprobs for rollout in rollouts], mask)
        weights = sampling_weights(old, engine, mask, level=level, cap=cap)
        shown = weights[mask] if level == "token" else weights.flatten()
        return weights, (shown >= cap).tolist()

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
    """What one forward pass of a step leaves: means over its groups, [N] rho, log-prob sums and advantages.

    capped: whether each importance weight is at the cap; empty without importance sampling.
    """

    loss: float
    kl: float
    rho: Tensor
    policy_logps: Tensor
    advantages: Tensor
    capped: Sequence[bool]
