"""The optimiser steps of a round: what `train` does and `replay` does again.

A step reads nothing but the policy, the optimiser's state, the groups and their stored log-probs: the same start
gives the same steps.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence

from storage.records import TrainRollout, TrainStep
from trainer.batch import Group, forward_passes
from trainer.config import TrainConfig
from trainer.gradient import accumulate
from trainer.kl_weight import adapted
from trainer.step_records import rollout_records, step_record
from trainer.training import OldLogps, Training

Step = tuple[TrainStep, list[TrainRollout]]


def updates(training: Training, groups: Sequence[Group], stored: OldLogps, done: int = 0) -> Iterator[Step]:
    """Does one optimiser step after the other, and yields each with its rollouts' part in it; ends at a ceiling.

    done: steps of the round that the policy has had already.
    """
    size, times = training.config.groups_per_batch, training.config.updates_per_batch
    num_steps = -(-len(groups) // size) * times
    for step in range(done, num_steps):
        start = step // times * size
        record, rows = _update(training, step, groups[start : start + size], stored)
        yield record, rows
        figures = {"loss": record.loss, "kl": record.kl, "rho_std": record.rho_std}
        training.progress("update policy", step + 1, num_steps, **figures)
        if record.stopped is not None:
            return


def _update(training: Training, step: int, groups: Sequence[Group], stored: OldLogps) -> Step:
    config, optimizer = training.config, training.optimizer
    passes = forward_passes(groups, config.tokens_per_forward)
    parts = [accumulate(training, some, len(groups), stored) for some in passes]
    norm = float(training.accelerator.clip_grad_norm_(training.model.parameters(), config.max_grad_norm))
    record = step_record(training, step, groups, parts, stored, grad_norm=norm)
    record = dataclasses.replace(record, stopped=_exceeded(record, config))
    if record.stopped is None:
        optimizer.step()
        if config.kl_target is not None:
            optimizer.param_groups[0]["kl_weight"] = adapted(record.kl_weight, record.kl, config.kl_target)
    optimizer.zero_grad()
    return record, rollout_records(record, groups, parts, stored)


def _exceeded(step: TrainStep, config: TrainConfig) -> str | None:
    """The ceiling that a step is above, in words; None below both."""
    for name, value, ceiling in (("kl", step.kl, config.max_kl), ("rho_std", step.rho_std, config.max_rho_std)):
        if ceiling is not None and value > ceiling:
            return f"{name} is {value:.4g}, train.max_{name} {ceiling:g}"
    return None
