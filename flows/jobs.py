"""What else can be deployed: one stage alone, the report."""

from __future__ import annotations

from typing import Literal

from prefect import flow

from flows.report import write_report
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


@flow(name="report", flow_run_name="report of {run_dir}", persist_result=False)
def report(run_dir: str) -> str:
    """Writes the run's report, one self-contained HTML file, and returns where it is.

    Args:
        run_dir: The run: a folder, or an object-store URL.
    """
    return write_report(Run.open(run_dir))
