"""The curriculum: rounds of select, rollout, difficulty, augment, rollout_augmented, curate, train.

The policy that enters a round is evaluated before it where `evaluate.every` says so, and the last one at the end.
"""

from __future__ import annotations

from prefect import flow
from prefect.client.schemas.objects import State
from prefect.states import Cancelled, Completed

from flows.artifact import publish_round
from flows.session import Session
from flows.stage_specs import ROUND_STAGES, schedule
from flows.tasks import TASKS
from flows.work import at_work
from storage.errors import RunBusy
from storage.layout import address
from storage.views import write_views


@flow(name="curriculum", flow_run_name="curriculum of {run_dir}", persist_result=False)
def curriculum(
    run_dir: str, config: str | None = None, overrides: list[str] | None = None, accept_changes: bool = False
) -> None:
    """Completes every round that the settings ask for; stages that are complete are not repeated.

    Args:
        run_dir: The run: a folder, or an object-store URL.
        config: A preset's name or a TOML file; empty continues a run with the settings it has stored.
        overrides: Settings to change, each name=value, e.g. rounds=10.
        accept_changes: Redo the stages that changed settings make stale; without it such a change is an error.
    """
    with at_work(run_dir, config, overrides, accept_changes=accept_changes) as session:
        for stage, round_index in schedule(session.config):
            _do(session, stage, round_index)


@flow(name="round", flow_run_name="next round of {run_dir}", persist_result=False)
def next_round(
    run_dir: str, config: str | None = None, overrides: list[str] | None = None, round_index: int | None = None
) -> State[None]:
    """Completes one round: the first that is incomplete. With none left there is nothing to do.

    While another process works on the run, this one is cancelled: the next tick of a schedule tries again.

    Args:
        run_dir: The run: a folder, or an object-store URL.
        config: A preset's name or a TOML file; empty continues a run with the settings it has stored.
        overrides: Settings to change, each name=value, e.g. rounds=10.
        round_index: The round to complete, from 0; empty takes the first incomplete one.
    """
    try:
        with at_work(run_dir, config, overrides) as session:
            done = incomplete_round(session) if round_index is None else round_index
            if done is None:
                return Completed(message=f"nothing to do: all {session.config.rounds} rounds of {run_dir} are complete")
            for stage, stage_round in steps_of_round(session, done):
                _do(session, stage, stage_round)
            return Completed(message=f"round {done} of {run_dir} is complete")
    except RunBusy as error:
        return Cancelled(message=str(error))


def incomplete_round(session: Session) -> int | None:
    """The first round with something left to do; None if all that the settings ask for is done."""
    for stage, round_index in schedule(session.config):
        if session.run.ledger.current(address(round_index, stage)) is None:
            return min(round_index, session.config.rounds - 1)  # the last evaluation belongs to the last round
    return None


def steps_of_round(session: Session, round_index: int) -> list[tuple[str, int]]:
    """A round's part of the schedule: its own stages, and for the last round the evaluation after it."""
    last = session.config.rounds - 1
    return [(stage, r) for stage, r in schedule(session.config) if min(r, last) == round_index]


def _do(session: Session, stage: str, round_index: int) -> None:
    TASKS[stage](session, round_index)
    write_views(session.run)
    if stage == ROUND_STAGES[-1]:
        publish_round(session.run, round_index)
