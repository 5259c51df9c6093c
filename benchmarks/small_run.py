"""The whole loop at its smallest, done and looked at: for the kill campaign here and for the tests."""

from __future__ import annotations

import multiprocessing
import os
from pathlib import Path

from rich.console import Console

from flows.config import RunConfig

SMALL = [
    "engine.type=deterministic",
    "rounds=2",
    "data.num_train=24",
    "data.num_validation=6",
    "select.samples_per_round=10",
    "rollout.group_size=4",
    "rollout.shard_size=4",
    "difficulty.min_level=0.1",
    "augment.num_traces=2",
    "train.groups_per_batch=3",
    "train.tokens_per_forward=1",
]
"""Two rounds of ten samples on the deterministic engine; trains the shipped model for real."""
fork_server = multiprocessing.get_context("forkserver")
fork_server.set_forkserver_preload(["flows.session", "flows.stages", "trainer.train"])


def complete(run_dir: str | Path, config: RunConfig) -> list[tuple[str, int]]:
    """Does what is missing of a run, without Prefect; returns the stages that were really done, as (name, round)."""
    from flows.session import open_session
    from flows.stage_specs import schedule
    from flows.stages import run_stage

    with open(os.devnull, "w") as nowhere, open_session(str(run_dir), config, Console(file=nowhere)) as session:
        before = {manifest.folder for manifest in session.run.ledger.manifests()}
        for name, round_index in schedule(config):
            run_stage(session, name, round_index)
        after = [manifest for manifest in session.run.ledger.manifests() if manifest.folder not in before]
    return sorted((m.address.split("/")[1], int(m.address.split("/")[0])) for m in after)


def complete_in_child(run_dir: str | Path, config: RunConfig) -> None:
    """The same in a process of its own; AssertionError if that fails."""
    child = fork_server.Process(target=complete, args=(run_dir, config))
    child.start()
    child.join()
    assert child.exitcode == 0, f"{run_dir}: its process ended with {child.exitcode}"


def tables(run_dir: str | Path) -> dict[str, list[str]]:
    """Every table of a run as sorted text, video paths included: identical runs have identical tables."""
    from storage.query import query
    from storage.run import Run
    from storage.schema import TABLES

    run = Run.open(str(run_dir))
    return {name: sorted(map(str, query(run, f"from {name}").to_pylist())) for name in TABLES}
