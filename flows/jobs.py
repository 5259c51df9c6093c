"""What else can be deployed: one stage alone, an evaluation, the report."""

from __future__ import annotations

from typing import Literal

from prefect import flow
from prefect.artifacts import create_markdown_artifact

from flows.report import write_report
from flows.session import Session
from flows.stage_specs import policy_address
from flows.tables import validation_lines
from flows.tasks import TASKS
from flows.work import at_work
from storage.run import Run
from storage.views import write_views

Stage = Literal["select", "rollout", "difficulty", "augment", "rollout_augmented", "curate", "train", "evaluate"]


@flow(name="stage", flow_run_name="{name} of round {round_index} of {run_dir}", persist_result=False)
def stage(run_dir: str, name: Stage, round_index: int, force: bool = False) -> None:
    """Does one stage of one round alone; what depended on it is stale and redone by the next round.

    Args:
        run_dir: The run: a folder, or an object-store URL.
        name: Which stage.
        round_index: The round, from 0.
        force: Make a new attempt though a current one exists.
    """
    with at_work(run_dir, None) as session:
        TASKS[name](session, round_index, force=force)
        write_views(session.run)


@flow(name="evaluate", flow_run_name="evaluation of {run_dir}", persist_result=False)
def evaluate(run_dir: str, round_index: int | None = None) -> None:
    """Evaluates the policy that enters a round on the validation split; publishes every policy's accuracy so far.

    Args:
        run_dir: The run: a folder, or an object-store URL.
        round_index: The round that the policy enters, 0 for the initial one; empty takes the newest policy.
    """
    with at_work(run_dir, None) as session:
        TASKS["evaluate"](session, newest_policy(session) if round_index is None else round_index)
        write_views(session.run)
        lines = [f"- {line}" for line in validation_lines(session.run)]
        create_markdown_artifact("\n".join(lines), key=f"validation-{session.run.identity.run_id}")


@flow(name="report", flow_run_name="report of {run_dir}", persist_result=False)
def report(run_dir: str) -> str:
    """Writes the run's report, one self-contained HTML file, and returns where it is.

    Args:
        run_dir: The run: a folder, or an object-store URL.
    """
    return write_report(Run.open(run_dir))


def newest_policy(session: Session) -> int:
    """The round that the newest policy enters: one more than the last round whose training is done."""
    round_index = 0
    while session.run.ledger.current(policy_address(round_index + 1)) is not None:
        round_index += 1
    return round_index
