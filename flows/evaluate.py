"""The evaluation of a policy on its data set's validation split: a run's own, or any model in a run of its own."""

from __future__ import annotations

from prefect import flow
from prefect.artifacts import create_markdown_artifact

from flows.results import Results, results_of
from flows.results_view import markdown
from flows.session import Session
from flows.stage_specs import policy_address
from flows.tasks import TASKS
from flows.work import at_work
from storage.views import write_views


@flow(name="evaluate", flow_run_name="evaluation of {run_dir}", persist_result=False)
def evaluate(
    run_dir: str,
    config: str | None = None,
    overrides: list[str] | None = None,
    round_index: int | None = None,
    accept_changes: bool = False,
) -> Results:
    """Evaluates one policy on the validation split; what is committed of it already is not repeated.

    Args:
        run_dir: The run: a folder, or an object-store URL; one that is not there is begun, and only this done of it.
        config: A preset's name or a TOML file; empty takes the settings that the run has stored.
        overrides: Settings to change, each name=value, e.g. evaluate.num_samples=8; model.path is the initial policy.
        round_index: The round that the policy enters, 0 for the initial one; empty takes the newest policy.
        accept_changes: Redo the stages that changed settings make stale; without it such a change is an error.
    """
    with at_work(run_dir, config, overrides, accept_changes=accept_changes) as session:
        policy = newest_policy(session) if round_index is None else round_index
        TASKS["evaluate"](session, policy)
        write_views(session.run)
        results = results_of(session.run, policy)
        create_markdown_artifact(markdown(results), key=f"evaluation-{session.run.identity.run_id}")
    return results


def newest_policy(session: Session) -> int:
    """The round that the newest policy enters: one more than the last round whose training is done."""
    round_index = 0
    while session.run.ledger.current(policy_address(round_index + 1)) is not None:
        round_index += 1
    return round_index
