"""Stored responses graded again under changed reward settings, without the engine, as new attempts."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from flows.config import RunConfig
from flows.session import Session, versions
from flows.stage_specs import SPECS
from stages.evaluate import regrade_evaluation
from stages.rollout import regrade
from storage.errors import UserError
from storage.layout import address
from storage.records import Dropped, Evaluation, Rollout
from storage.run import Run
from storage.shards import Manifest, read_shards

TABLES: dict[str, tuple[str, type[Any], Any]] = {
    "rollout": ("rollouts", Rollout, regrade),
    "evaluate": ("evaluations", Evaluation, regrade_evaluation),
}


@dataclass(frozen=True)
class Rescored:
    """What became of one stage's rows: how many, how many rewards changed, their mean before and after."""

    place: str
    num_rows: int
    num_changed: int
    mean_before: float
    mean_after: float
    seconds: float


def rescore(session: Session, round_index: int) -> list[Rescored]:
    """Regrades the stages of a round that hold graded responses, where today's settings have no attempt yet."""
    found = sources(session.run, session.config, round_index)
    return [_regrade(session, stage, source) for stage, source in found.items()]


def sources(run: Run, config: RunConfig, round_index: int) -> dict[str, Manifest]:
    """The attempts to grade again, by stage; `run` is seen under the new settings `config`.

    An evaluation is graded again where there is one. Raises UserError if stored responses cannot stand for today's.
    """
    found = {}
    for stage in TABLES:
        if run.ledger.current(address(round_index, stage)) is None:
            source = _source(run, config, stage, round_index)
            if source is not None:
                found[stage] = source
    return found


def _source(run: Run, config: RunConfig, stage: str, round_index: int) -> Manifest | None:
    """The newest complete attempt that differs from today's settings in the rewards alone; none without an attempt."""
    place = address(round_index, stage)
    inputs = {name: run.ledger.digest(name) for name in SPECS[stage].inputs(config, round_index)}
    attempts = [manifest for manifest in run.ledger.manifests() if manifest.address == place]
    if stage == "evaluate" and not attempts:
        return None
    if not attempts:
        raise UserError(f"{place}: there are no stored responses to grade; do it first: deepvideo run")
    today = run.settings.stages[stage]
    fit = [
        manifest
        for manifest in attempts
        if manifest.version == today.version and _without_rewards(manifest.settings) == _without_rewards(today.settings)
    ]
    if not fit:
        newest, settings = attempts[-1].settings, today.settings
        changed = [name for name in settings if name != "rewards" and newest.get(name) != settings[name]]
        raise UserError(
            f"{place}: more than rewards changed ({', '.join(changed)}): responses must be sampled anew: deepvideo run"
        )
    same = [manifest for manifest in fit if manifest.inputs == inputs]
    if not same:
        stale = [name for name in fit[-1].inputs if fit[-1].inputs[name] != inputs.get(name)]
        raise UserError(
            f"{place}: its responses come from other inputs than today's ({', '.join(stale)}); "
            "a reward changes training, and so every later round: rescore round 0, then deepvideo run"
        )
    return max(same, key=lambda manifest: manifest.info["ended"])


def _without_rewards(settings: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in settings.items() if name != "rewards"}


def _regrade(session: Session, stage: str, source: Manifest) -> Rescored:
    (table, record, again), place = TABLES[stage], source.address
    run, started = session.run, time.monotonic()
    attempt = run.attempt(place, source.inputs)
    attempt.info["rescored_from"] = source.folder
    before: list[float] = []
    after: list[float] = []
    dropped = read_shards(run.files, Dropped, "dropped", source)
    for index, rows in enumerate(read_shards(run.files, record, table, source)):
        graded = [again(row, session.samples[row.sample_id], session.config.rewards) for row in rows]
        attempt.write(index, {table: graded, "dropped": next(dropped)})
        before += [row.reward for row in rows]
        after += [row.reward for row in graded]
    run.commit(attempt, len(source.shards), versions())
    changed = sum(old != new for old, new in zip(before, after, strict=True))
    return Rescored(place, len(after), changed, _mean(before), _mean(after), time.monotonic() - started)


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values) if values else 0.0
