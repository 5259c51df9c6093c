"""The stages as Prefect tasks. Thin: a stage decides by its key whether it is done, Prefect when it is asked."""

from __future__ import annotations

from typing import Any

from prefect import task
from prefect.cache_policies import NO_CACHE

from flows.session import Session
from flows.stage_specs import SPECS
from flows.stages import run_stage
from storage.shards import Manifest


def _task(name: str) -> Any:
    def stage(session: Session, round_index: int, *, force: bool = False) -> Manifest:
        return run_stage(session, name, round_index, force=force)

    settings: Any = {"name": name, "task_run_name": f"{name} {{round_index}}", "cache_policy": NO_CACHE}
    return task(**settings, persist_result=False)(stage)


TASKS = {name: _task(name) for name in SPECS}
