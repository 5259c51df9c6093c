"""The optimiser steps of a round: what `train` does and `replay` does again.

A step reads nothing but the policy, the optimiser's state, the groups and their stored log-probs: the same start
gives the same steps. With several ranks each does the forward passes over its own groups; what they leave is brought
together, so that every rank has the step's figures and comes to the same decisions.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from contextlib import nullcontext

from storage.records import TrainRollout, TrainStep
from trainer.batch import Group
from trainer.config import TrainConfig
from trainer.gradient import Part, accumulate
from trainer.kl_weight import adapted
from trainer.sharding import whole
from trainer.spread import Pass
from trainer.step_records import rollout_records, step_record
from trainer.training import OldLogps, Training

Step = tuple[TrainStep, list[TrainRollout]]


def updates(training: Training, groups: Mapping[int, Group], stored: OldLogps, done: int = 0) -> Iterator[Step]:
    """Does one optimiser step after the other, and yields each with its rollouts' part in it; ends at a ceiling.

    groups: by position, those of this rank. done: steps of the round that the policy has had already.
    """
    times = training.config.updates_per_batch
    num_steps = len(training.batches) * times
    for step in range(done, num_steps):
        record, rows = _update(training, step, groups, stored)
        yield record, rows
        figures = {"loss": record.loss, "kl": record.kl, "rho_std": record.rho_std}
        training.progress("update policy", step + 1, num_steps, **figures)
        if record.stopped is not None:
            return


def _update(training: Training, step: int, encoded: Mapping[int, Group], stored: OldLogps) -> Step:
    config, optimizer = training.config, training.optimizer
    done = training.gathered(_passes(training, step, encoded, stored))
    groups = [training.inputs.groups[position] for some, _ in done for position in some.positions]
    parts = [part for _, part in done]
    norm = whole(training.accelerator.clip_grad_norm_(training.model.parameters(), config.max_grad_norm))
    record = step_record(training, step, groups, parts, stored, grad_norm=float(norm))
    record = dataclasses.replace(record, stopped=_exceeded(record, config))
    if record.stopped is None:
        optimizer.step()
        if config.kl_target is not None:
            optimizer.param_groups[0]["kl_weight"] = adapted(record.kl_weight, record.kl, config.kl_target)
    optimizer.zero_grad()
    return record, rollout_records(record, groups, parts, stored)


def _passes(training: Training, step: int, encoded: Mapping[int, Group], stored: OldLogps) -> list[tuple[Pass, Part]]:
    """This rank's forward and backward passes of a step, without repeats; ranks exchange gradients in the last one."""
    passes = training.batches[step // training.config.updates_per_batch]
    done = []
    for i, some in enumerate(passes):
        own = [encoded[position] for position in some.positions]
        with nullcontext() if i == len(passes) - 1 else training.accelerator.no_sync(training.model):
            part = accumulate(training, own, some.share, stored)
        if some.share:
            done.append((some, part))
    return done


def _exceeded(step: TrainStep, config: TrainConfig) -> str | None:
    """The ceiling that a step is above, in words; None below both."""
    for name, value, ceiling in (("kl", step.kl, config.max_kl), ("rho_std", step.rho_std, config.max_rho_std)):
        if ceiling is not None and value > ceiling:
            return f"{name} is {value:.4g}, train.max_{name} {ceiling:g}"
    return None
