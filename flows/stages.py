"""One stage of one round: done already, or done now. Knows nothing of Prefect; tasks and command line call it."""

from __future__ import annotations

from flows.progress import StageProgress
from flows.session import Session, versions
from flows.stage_runs import RUNS
from flows.stage_specs import SPECS, state_of
from storage.errors import UserError
from storage.layout import address
from storage.shards import Manifest


def run_stage(session: Session, name: str, round_index: int, *, force: bool = False) -> Manifest:
    """The current manifest of a stage, after doing what is missing of it; with `force`, a new attempt in any case.

    Raises UserError if the run has no such round, or if a stage it depends on is missing or stale.
    """
    _check_round(session.config.rounds, name, round_index)
    run, here = session.run, address(round_index, name)
    inputs = {source: run.ledger.digest(source) for source in SPECS[name].inputs(session.config, round_index)}
    known = {source: digest for source, digest in inputs.items() if digest is not None}
    if len(known) < len(inputs):
        lacking = ", ".join(
            f"{source} ({state_of(run, session.config, source)[0]})" for source in inputs if source not in known
        )
        raise UserError(f"{here} needs {lacking}; do that first: deepvideo run, or deepvideo stage for one alone")
    attempt = run.attempt(here, known, force=force)
    current = run.ledger.current(here)
    if current is not None and current.key == attempt.key and not force:
        return current
    session.note.begin(here)
    with StageProgress(session.console, f"round {round_index} {name}", session.note) as progress:
        try:
            num_shards = RUNS[name](session, round_index, attempt, progress)
        except Exception as error:
            attempt.fail(f"{type(error).__name__}: {error}".splitlines()[0])
            raise
        return run.commit(attempt, num_shards, versions())


def _check_round(rounds: int, name: str, round_index: int) -> None:
    last = rounds if name == "evaluate" else rounds - 1  # the policy that leaves the last round is evaluated too
    if round_index > last:
        raise UserError(
            f"round {round_index}: the last {name} of this run is in round {last}, since rounds is {rounds}; "
            "ask for more with: deepvideo run CONFIG --set rounds=N"
        )
