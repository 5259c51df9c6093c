"""What a Prefect server must hold before flows run well on it: the work pool, the limit, the crash detector."""

from __future__ import annotations

from datetime import timedelta

from prefect.automations import Automation
from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.actions import WorkPoolCreate
from prefect.client.schemas.objects import StateType
from prefect.events.actions import ChangeFlowRunState
from prefect.events.schemas.automations import EventTrigger, Posture
from prefect.workers.process import ProcessWorker

from flows.work import accelerator

WORK_POOL = "deepvideo"
CRASH_DETECTOR = "deepvideo: a flow run without a heartbeat has crashed"
SILENCE_SECONDS = 90  # three heartbeats (flows/commands/serve.py sets their frequency) missed
HEARTBEAT = "prefect.flow-run.heartbeat"


def prepare(client: SyncPrefectClient) -> None:
    """Makes the work pool, the limit of one process an accelerator, and the crash detector, where they are missing."""
    template = ProcessWorker.get_default_base_job_template()
    client.create_work_pool(WorkPoolCreate(name=WORK_POOL, type="process", base_job_template=template), overwrite=True)
    client.upsert_global_concurrency_limit_by_name(accelerator(), 1)
    if not client.read_automations_by_name(CRASH_DETECTOR):
        crash_detector().create()


def crash_detector() -> Automation:
    """Marks a flow run Crashed whose process is gone without a word: killed with its worker, or with the power.

    Prefect alone leaves such a run Running for ever, and its deployment's slot taken.
    """
    ended = {f"prefect.flow-run.{state}" for state in ("Completed", "Failed", "Cancelled", "Crashed", "Cancelling")}
    return Automation(
        name=CRASH_DETECTOR,
        trigger=EventTrigger(
            after={HEARTBEAT},
            expect={HEARTBEAT, *ended},
            match={"prefect.resource.id": "prefect.flow-run.*"},
            for_each={"prefect.resource.id"},
            posture=Posture.Proactive,
            threshold=1,
            within=timedelta(seconds=SILENCE_SECONDS),
        ),
        actions=[
            ChangeFlowRunState(
                name="Crashed",
                state=StateType.CRASHED,
                message=f"no heartbeat for {SILENCE_SECONDS} s: its process was killed; the next run continues",
                force=False,
            )
        ],
    )
