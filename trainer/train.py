"""Stage `train`: curated groups in, a new policy out.

Order of a round: encode each video once; compute and commit the log-probs of every rollout under the old policy and the
reference, before the first update; then `updates_per_batch` optimiser steps on each batch of groups, committed with a
state to go on from every `save_every` of them; checkpoint last.

With several processes (trainer/launch.py) each is a rank that runs all of this on its own groups; the first one writes.

Departures from the paper: old log-probs are the trainer's own, not the engine's (their difference is measured and
stored); groups with equal rewards never get here (stages/curate.py).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch

from storage.probe import PROBE_FILE
from storage.progress import Progress
from storage.records import OldLogprobs, TrainRollout, TrainStep
from storage.shards import Attempt
from storage.states import drop_states
from trainer.batch import Group
from trainer.checkpoint import save_checkpoint
from trainer.config import TrainConfig
from trainer.lora import save_adapter
from trainer.probe import save_probe
from trainer.resume import resume, save_state
from trainer.trackers import tracking
from trainer.training import OPTIMIZER_FILE, OldLogps, Training, TrainInputs
from trainer.updates import updates

STAGE_VERSION = 2


def train(attempt: Attempt, inputs: TrainInputs, config: TrainConfig, progress: Progress) -> int:
    """Trains one round; writes tables, checkpoint and optimiser state into `attempt`; returns its number of shards.

    `progress` is told what is being done, how far it is and how far it goes.
    """
    training = Training(inputs, config, progress)
    groups = training.encode()
    stored = _old_logprobs(training, groups, attempt)
    index, done = resume(training, attempt)
    steps: list[TrainStep] = []
    rollouts: list[TrainRollout] = []
    with tracking(training.accelerator, inputs, done) as log:
        for step, rows in updates(training, groups, stored, done):
            log(step)
            steps.append(step)
            rollouts += rows
            if len(steps) == config.save_every and step.stopped is None:
                save_state(training, attempt, index, step.step + 1)
                _write(training, attempt, index, steps, rollouts)
                steps, rollouts, index = [], [], index + 1
    _save(training, attempt)
    _write(training, attempt, index, steps, rollouts)
    return index + 1


def _write(
    training: Training, attempt: Attempt, index: int, steps: Sequence[TrainStep], rollouts: Sequence[TrainRollout]
) -> None:
    if training.is_first:
        attempt.write(index, {"train_steps": steps, "train_rollouts": rollouts})
        drop_states(attempt, before=index)


def _old_logprobs(training: Training, groups: Mapping[int, Group], attempt: Attempt) -> OldLogps:
    """Log-probs under the old policy and the reference, from this attempt's first shard if it is there already."""
    inputs = training.inputs
    if not attempt.committed(0):
        old = training.score(training.model, groups)
        with training.reference() as reference:
            ref = training.score(reference, groups)
        del reference
        rows = [
            (i, OldLogprobs(inputs.run_id, inputs.round_index, r.group_id, r.rollout_index, o, f))
            for i in training.own
            for r, o, f in zip(groups[i].rollouts, old[i], ref[i], strict=True)
        ]
        rows = sorted(training.gathered(rows), key=lambda row: row[0])
        if training.is_first:
            attempt.write(0, {"old_logprobs": [row for _, row in rows]})
        training.accelerator.wait_for_everyone()
    found = attempt.read_shard(OldLogprobs, "old_logprobs", 0)
    return {(row.group_id, row.rollout_index): row for row in found}


def _save(training: Training, attempt: Attempt) -> None:
    weights, optimizer = training.weights(), training.optimizer_state()
    if not training.is_first:
        return
    scratch, (model, adapter) = training.inputs.scratch, training.whole(weights)
    if adapter is not None:
        folder = scratch()
        save_adapter(adapter, folder)
        attempt.add_folder("adapter", folder)
        model = adapter.merge_and_unload()
    folder = scratch()
    save_checkpoint(model, training.inputs.policy, folder)
    save_probe(folder / PROBE_FILE, training.processor, training.probe(model), training.before)
    attempt.add_folder("checkpoint", folder)
    folder = scratch()
    torch.save(optimizer, folder / OPTIMIZER_FILE)
    attempt.add_folder("optimizer", folder)
