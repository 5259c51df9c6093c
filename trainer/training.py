"""What a round's training holds: the policy with its optimiser, the reference, and their scores of groups."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from accelerate import Accelerator
from accelerate.utils import gather_object, set_seed
from peft import PeftModel
from torch import Tensor, nn

from storage.digest import derive_seed
from storage.errors import UserError
from storage.frame_cache import FrameCache
from storage.progress import Progress
from storage.records import OldLogprobs, Rollout
from trainer.batch import Group, collate, encode_group, place_of
from trainer.config import TrainConfig
from trainer.lora import load_adapter, new_adapter
from trainer.policy import forbidden_token_ids, load_policy, load_processor, recompute_activations
from trainer.prefix import ResponseLogprobs
from trainer.probe import measure
from trainer.sharding import part, part_state, shard, whole, whole_state
from trainer.spread import counted, spread_round

T = TypeVar("T")
OPTIMIZER_FILE = "optimizer.pt"
OldLogps = Mapping[tuple[str, int], OldLogprobs]
"""Old and reference log-probs by (group_id, rollout_index)."""


@dataclass(frozen=True)
class TrainInputs:
    """What a round's training starts from. groups: rollouts of each group in training order. optimizer: its folder.

    adapter: the folder of the LoRA adapter that makes the reference the policy; None without LoRA and in round 0.
    first_step: optimiser steps of all earlier rounds. logs: the folder that trackers write to.
    cache: of decoded frames.
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
    cache: FrameCache | None = None


class Training:
    """A policy with its optimiser at the start of a round, on one process of `num_ranks`.

    batches: this process's forward passes, by batch. own: the positions of the groups that are its to score and train
    on. policy: the transformers model; model: the same as a function of batches, spread over the ranks.
    before: the policy's log-probs of the probe's texts.
    """

    def __init__(self, inputs: TrainInputs, config: TrainConfig, progress: Progress) -> None:
        set_seed(inputs.seed)
        self.inputs, self.config, self.progress = inputs, config, progress
        precision = "bf16" if config.dtype == "bfloat16" else "no"
        self.accelerator = Accelerator(
            mixed_precision=precision, log_with=list(config.trackers) or None, project_dir=inputs.logs
        )
        self.num_ranks = self.accelerator.num_processes
        self.is_first = self.accelerator.is_main_process
        self.is_sharded = self.num_ranks > 1 and config.strategy == "fsdp2"
        sizes = [place_of(group).num_tokens for group in inputs.groups]
        ranks = spread_round(sizes, config.groups_per_batch, self.num_ranks, config.tokens_per_forward)
        self.batches = ranks[self.accelerator.process_index]
        self.own = counted(self.batches)
        self._most_own = max(len(counted(batches)) for batches in ranks)
        self.processor = load_processor(inputs.policy)
        self.forbidden = forbidden_token_ids(self.processor)
        self.policy, self.adapter = self._load()
        if not self.is_sharded:  # which would not fit whole
            self.policy.to(self.device)
        self.before = self.probe(self.policy)
        if config.gradient_checkpointing:
            recompute_activations(self.policy)
        self.model = self._wrapped(self.policy, trained=True)
        trained = [p for p in self.policy.parameters() if p.requires_grad]
        optimizer = torch.optim.AdamW(trained, lr=config.learning_rate, weight_decay=config.weight_decay)
        self.optimizer = self.accelerator.prepare(optimizer)
        if inputs.optimizer is not None:
            self.load_optimizer(torch.load(inputs.optimizer / OPTIMIZER_FILE, weights_only=True))
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

    def _wrapped(self, policy: Any, *, trained: bool) -> nn.Module:
        """`policy` as the log-probs of a batch, as this process calls it."""
        model: nn.Module = ResponseLogprobs(policy)
        if self.is_sharded:
            shard(model, policy, self.device)
            return model
        model = model.to(self.device)
        return self.accelerator.prepare(model) if trained else model

    @contextmanager
    def reference(self) -> Iterator[nn.Module]:
        """The frozen reference: the policy with its adapter off; without LoRA a second model, gone afterwards."""
        if self.adapter is None:
            yield self._wrapped(load_policy(self.inputs.reference, trainable=False), trained=False)
        else:
            with self.adapter.disable_adapter():
                yield self.model

    def whole(self, weights: Mapping[str, Tensor]) -> tuple[Any, PeftModel | None]:
        """The policy and its adapter on this process; a sharded one is loaded again, with `weights`."""
        if not self.is_sharded:
            return self.policy, self.adapter
        model, adapter = self._load()
        model.load_state_dict(weights, strict=False)
        return model, adapter

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

    def probe(self, model: Any) -> list[np.ndarray]:
        """The log-probs of the probe's texts under a whole `model`, in the precision of the training."""
        with self.accelerator.autocast():
            return measure(model, self.processor)

    def encode(self) -> dict[int, Group]:
        """The groups that this process passes through the model, by position, each video encoded once."""
        positions = sorted({i for passes in self.batches for some in passes for i in some.positions})
        groups = {}
        for done, i in enumerate(positions, start=1):
            rollouts = self.inputs.groups[i]
            read = (self.inputs.locate, self.device, self.inputs.cache)
            groups[i] = encode_group(rollouts, self.policy, self.processor, *read)
            self.progress("encode videos", done, len(positions))
        return groups

    def score(self, model: nn.Module, groups: Mapping[int, Group]) -> dict[int, list[np.ndarray]]:
        """Log-probs under `model` of the responses of this process's own groups, float32 [T] each, without gradients.

        Every rank makes equally many passes, as in `spread`.
        """
        found = {i: self._score(model, groups[i]) for i in self.own}
        for i in list(groups)[:1] * (self._most_own - len(self.own)):
            self._score(model, groups[i])
        return found

    def _score(self, model: nn.Module, group: Group) -> list[np.ndarray]:
        batch = collate([group], self.policy.config, self.forbidden, self.device)
        with torch.no_grad(), self.accelerator.autocast():
            logps = model(batch).cpu().numpy()
        return [row[: len(rollout.response_token_ids)] for row, rollout in zip(logps, group.rollouts, strict=True)]

    def gathered(self, rows: list[T]) -> list[T]:
        """The rows of all ranks in the order of ranks, on each of them."""
        found: list[T] = gather_object(rows)
        return found

    def weights(self) -> dict[str, Tensor]:
        """The weights that are trained, whole, by name; every rank must ask for them."""
        return {name: whole(p.detach()) for name, p in self.policy.named_parameters() if p.requires_grad}

    def load_weights(self, weights: Mapping[str, Tensor]) -> None:
        """Takes up what `weights` returned."""
        own = dict(self.policy.named_parameters())
        self.policy.load_state_dict({name: part(value, own[name]) for name, value in weights.items()}, strict=False)

    def optimizer_state(self) -> dict[str, Any]:
        """The optimiser's state dict, whole; every rank must ask for it."""
        return whole_state(self.optimizer.state_dict())

    def load_optimizer(self, state: Mapping[str, Any]) -> None:
        """Takes up what `optimizer_state` returned."""
        trained = [p for group in self.optimizer.param_groups for p in group["params"]]
        self.optimizer.load_state_dict(part_state(state, trained))
