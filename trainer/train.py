"""Stage `train`: curated groups in, a new policy out.

Order of a round: encode each video once; compute and commit the log-probs of every rollout under the old policy and the
reference, before the first update; then `updates_per_batch` optimiser steps on each batch of groups; checkpoint last.

Departures from the paper: old log-probs are the trainer's own, not the engine's (their difference is measured and
stored); groups with equal rewards never get here (stages/curate.py).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from storage.probe import PROBE_FILE
from storage.progress import Progress
from storage.records import OldLogprobs, TrainRollout, TrainStep
from storage.shards import Attempt
from trainer.batch import Group
from trainer.checkpoint import save_checkpoint
from trainer.config import TrainConfig
from trainer.policy import load_policy
from trainer.probe import measure, save_probe
from trainer.trackers import tracking
from trainer.updates import OPTIMIZER_FILE, OldLogps, Training, TrainInputs

STAGE_VERSION = 2


def train(attempt: Attempt, inputs: TrainInputs, config: TrainConfig, progress: Progress) -> int:
    """Trains one round; writes tables, checkpoint and optimiser state into `attempt`; returns its number of shards.

    `progress` is told what is being done, how far it is and how far it goes.
    """
    training = Training(inputs, config, progress)
    before = measure(training.policy, training.processor)
    groups = training.encode()
    stored = _old_logprobs(training, groups, attempt)
    steps: list[TrainStep] = []
    rollouts: list[TrainRollout] = []
    with tracking(training.accelerator, inputs) as log:
        for step, rows in training.updates(groups, stored):
            log(step)
            steps.append(step)
            rollouts += rows
    _save(training, before, attempt)
    attempt.write(1, {"train_steps": steps, "train_rollouts": rollouts})
    return 2


def _old_logprobs(training: Training, groups: Sequence[Group], attempt: Attempt) -> OldLogps:
    """Log-probs under the old policy and the reference, from this attempt's first shard if it is there already."""
    inputs = training.inputs
    if not attempt.committed(0):
        old = [logps for group in groups for logps in training.score(training.policy, group)]
        reference = training.accelerator.prepare(load_policy(inputs.reference, trainable=False))
        ref = [logps for group in groups for logps in training.score(reference, group)]
        del reference
        rollouts = [rollout for group in groups for rollout in group.rollouts]
        rows = [
            OldLogprobs(inputs.run_id, inputs.round_index, r.group_id, r.rollout_index, o, f)
            for r, o, f in zip(rollouts, old, ref, strict=True)
        ]
        attempt.write(0, {"old_logprobs": rows})
    found = attempt.read_shard(OldLogprobs, "old_logprobs", 0)
    return {(row.group_id, row.rollout_index): row for row in found}


def _save(training: Training, before: list[np.ndarray], attempt: Attempt) -> None:
    folder, model = training.inputs.scratch(), training.policy
    save_checkpoint(model, training.inputs.policy, folder)
    save_probe(folder / PROBE_FILE, training.processor, measure(model, training.processor), before)
    attempt.add_folder("checkpoint", folder)
    folder = training.inputs.scratch()
    torch.save(training.optimizer.state_dict(), folder / OPTIMIZER_FILE)
    attempt.add_folder("optimizer", folder)
