"""What a round's training holds: the policy with its optimiser, the reference, and their scores of groups."""

from __future__ import annotations

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
from storage.records import OldLogprobs, Rollout
from trainer.batch import Group, collate, encode_group
from trainer.config import TrainConfig
from trainer.lora import load_adapter, new_adapter
from trainer.policy import forbidden_token_ids, load_policy, load_processor, recompute_activations
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
