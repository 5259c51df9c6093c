"""The curriculum: rounds of select, rollout, difficulty, augment, rollout_augmented, curate, train.

The policy that enters a round is evaluated before it where `evaluate.every` says so, and the last one at the end.
"""

from __future__ import annotations

from prefect import flow

from flows.artifact import publish_round
from flows.session import Session
from flows.stage_specs import ROUND_STAGES, schedule
from flows.tasks import TASKS
from storage.views import write_views


@flow(name="curriculum", validate_parameters=False, persist_result=False)
def curriculum(session: Session) -> None:
    """Completes the rounds that the settings ask for; stages that are complete are not repeated."""
    for stage, round_index in schedule(session.config):
        TASKS[stage](session, round_index)
        write_views(session.run)
        if stage == ROUND_STAGES[-1]:
            publish_round(session.run, round_index)
