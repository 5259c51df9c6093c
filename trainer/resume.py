"""Where a killed train stage goes on: weights and optimiser after some steps, in a state beside the attempt's shards.

Nothing else is needed: a step reads the policy, the optimiser's state, the groups and the stored log-probs, and draws
no random number. On one CPU process the steps that follow are those of a run that was not killed, bit for bit. The
state is the same whatever the number of ranks and what each of them kept of it: a stage may go on with others.
"""

from __future__ import annotations

from pathlib import Path

import torch

from storage.shards import Attempt
from storage.states import drop_states, keep_state, latest_state
from trainer.training import Training

STATE_FILE = "state.pt"


def save_state(training: Training, attempt: Attempt, index: int, num_steps: int) -> None:
    """Keeps the state after the round's first `num_steps` optimiser steps, with which shard `index` ends."""
    state = {"num_steps": num_steps, "weights": training.weights(), "optimizer": training.optimizer_state()}
    if training.is_first:
        folder = training.inputs.scratch()
        torch.save(state, folder / STATE_FILE)
        keep_state(attempt, index, folder)


def resume(training: Training, attempt: Attempt) -> tuple[int, int]:
    """Takes up the last state; returns the shard to write next and the number of steps done, (1, 0) without a state."""
    found = latest_state(attempt)
    if found is None:
        return 1, 0
    index, folder = found
    if training.is_first:
        drop_states(attempt, before=index)
    state = torch.load(Path(folder) / STATE_FILE, weights_only=True, map_location="cpu")
    training.load_weights(state["weights"])
    training.load_optimizer(state["optimizer"])
    return index + 1, state["num_steps"]
