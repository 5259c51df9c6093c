"""A run watched from another process: where it is, what its rewards are so far, who works on it. It only reads."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, Literal

from flows.config import RunConfig, stored_config
from flows.stage_specs import key_of, schedule, state_of
from storage.layout import address
from storage.lock import is_alive, last_holder, lock_holder
from storage.progress import NUM_FIGURES, Now, read_now
from storage.query import query
from storage.run import Run
from storage.so_far import PassSoFar, RewardsSoFar

PATIENCE_SECONDS = 180.0
"""How long the process that had the lock may be between two holds of it: `deepvideo run` starts Prefect there."""
MIN_PAUSE_SECONDS, MAX_PAUSE_SECONDS = 1.0, 5.0
SHARE_OF_TIME = 0.1
"""Looking takes at most about this share of a core: the longer the run's history, the longer the pauses."""

Work = Literal["working", "between", "idle", "complete"]
Figures = list[dict[str, Any]]


@dataclass(frozen=True)
class Look:
    """A run at one moment.

    place: the stage at work or the next one to do; empty once all is done. holder: who works on it. now: what that
    process says about it. problem: why that stage failed, if it did. figures: the last optimiser steps of the round.
    """

    run: Run
    config: RunConfig
    work: Work
    place: str
    holder: dict[str, Any] | None
    now: Now | None
    problem: str
    passes: list[PassSoFar]
    figures: Figures

    @property
    def round_index(self) -> int:
        """The round that is at work, or the last one."""
        return min(int(self.place.split("/")[0]) if self.place else self.config.rounds, self.config.rounds - 1)


class Watcher:
    """Looks at the run at `url` again and again; UserError if there is none."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._files = Run.open(url).files
        self._rewards = RewardsSoFar(self._files)

    def looks(self) -> Iterator[Look]:
        """One look after the other, until the run is complete or, at two of them, nobody works on it."""
        seen, idle = time.monotonic(), 0
        while True:
            before = time.process_time()
            look = self.look()
            yield look
            if look.work == "working":
                seen = time.monotonic()
            idle = idle + 1 if look.work == "idle" else 0  # one alone may be the moment of taking the lock
            if look.work == "complete" or idle == 2 or time.monotonic() - seen > PATIENCE_SECONDS:
                return
            pause = (time.process_time() - before) / SHARE_OF_TIME
            time.sleep(min(max(pause, MIN_PAUSE_SECONDS), MAX_PAUSE_SECONDS))

    def look(self) -> Look:
        """The run now. Who works on it is asked first: what nobody works on any more does not change afterwards."""
        holder, last = lock_holder(self._files), last_holder(self._files)
        run = Run.open(self._url)
        config = stored_config(run)
        left = [address(r, stage) for stage, r in schedule(config) if run.ledger.current(address(r, stage)) is None]
        now = read_now(run.files)
        if holder is None or now is None or (now.host, now.pid) != (holder["host"], holder["pid"]):
            now = None
        place = now.address if now else next(iter(left), "")
        work: Work = "complete" if not left else "idle"
        if left and (holder or not run.files.is_local):  # on an object store nobody can know
            work = "working"
        elif left and last and is_alive(last):
            work = "between"
        state, reason = state_of(run, config, place) if place else ("done", "")
        problem = reason if state == "failed" and holder is None else ""
        look = Look(run, config, work, place, holder, now, problem, [], [])
        return replace(look, passes=self._rewards.passes(_attempts(look)), figures=_figures(look))


def _attempts(look: Look) -> Iterator[str]:
    """The folders of the round's rollouts: of complete stages, and of those that are under way."""
    for stage in ("rollout", "rollout_augmented"):
        place = address(look.round_index, stage)
        manifest = look.run.ledger.current(place)
        unfinished = look.run.ledger.unfinished(place, key_of(look.run, look.config, place))
        folder = manifest.folder if manifest else unfinished
        if folder:
            yield folder


def _figures(look: Look) -> Figures:
    """Of the last optimiser steps: as the process says them, or once the round's training is done, from its table."""
    if look.now and look.now.figures:
        return look.now.figures
    if look.run.ledger.current(address(look.round_index, "train")) is None:
        return []
    sql = f"""
        select step + 1 as done, loss, kl, rho_std from train_steps where round_index = {look.round_index}
        order by step desc limit {NUM_FIGURES}
    """
    rows: Figures = query(look.run, sql).to_pylist()
    return rows[::-1]
