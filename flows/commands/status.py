"""`deepvideo status`: rounds x stages at a glance."""

from __future__ import annotations

import typer

from flows.commands.options import RunDir
from flows.config import RunConfig
from flows.terminal import terminal


def status(run_dir: RunDir = "runs/demo") -> None:
    """Rounds x stages: done, stale, failed (why), missing; rows and seconds."""
    from flows.tables import status_table
    from storage.run import Run

    found = Run.open(run_dir)
    table, failures = status_table(found, RunConfig.model_validate(found.settings.config))
    terminal().print(table)
    for line in failures:
        typer.echo(line)
