"""A round's training replayed and compared with what was logged."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from flows.session import Session
from flows.stage_runs import train_inputs
from flows.stage_specs import state_of
from storage.errors import UserError
from storage.layout import address
from storage.progress import Progress
from storage.records import OldLogprobs, TrainStep
from storage.shards import read_records
from trainer.config import TrainConfig

COMPARED = ("loss", "grad_norm", "policy_loss", "kl", "rho_std")


@dataclass(frozen=True)
class Comparison:
    """One figure of one optimiser step, as logged and as replayed."""

    step: int
    name: str
    logged: float
    replayed: float

    @property
    def difference(self) -> float:
        """|logged - replayed| over the larger of the two; infinite where one is no number and the other is."""
        if self.logged == self.replayed or (math.isnan(self.logged) and math.isnan(self.replayed)):
            return 0.0
        difference = abs(self.logged - self.replayed) / max(abs(self.logged), abs(self.replayed))
        return difference if math.isfinite(difference) else math.inf


def replay_round(session: Session, round_index: int, through: int, progress: Progress) -> list[Comparison]:
    """Replays a round's training through optimiser step `through` and compares each step; writes nothing.

    Raises UserError if the round's training is not done, has no such step, or began with a pruned policy.
    """
    here, run = address(round_index, "train"), session.run
    manifest = run.ledger.current(here)
    if manifest is None:
        raise UserError(
            f"{here} is {state_of(run, session.config, here)[0]}, not done: "
            "there is nothing to replay; deepvideo status"
        )
    logged = list(read_records(run.files, TrainStep, "train_steps", manifest))
    if through >= len(logged):
        raise UserError(f"{here} has {len(logged)} optimiser steps, from 0: there is no step {through}")
    from trainer.replay import replay

    steps = replay(
        replace(train_inputs(session, round_index), cache=None),  # from the videos themselves
        TrainConfig.model_validate(manifest.settings),
        read_records(run.files, OldLogprobs, "old_logprobs", manifest),
        through + 1,
        progress,
    )
    return [
        Comparison(old.step, name, getattr(old, name), getattr(new, name))
        for old, new in zip(logged, steps, strict=False)
        for name in COMPARED
    ]
