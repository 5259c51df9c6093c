"""`deepvideo status`: rounds x stages at a glance."""

from __future__ import annotations

import typer

from flows.commands.options import RunDir
from flows.config import stored_config
from flows.terminal import terminal


def status(run_dir: RunDir = "runs/demo") -> None:
    """Rounds x stages: done, stale, failed (why), unfinished (how far), missing; who is at work, what comes next."""
    from flows.status import status_table, summary
    from storage.run import Run

    found = Run.open(run_dir)
    config = stored_config(found)
    table, notes = status_table(found, config)
    terminal().print(table)
    for line in [*notes, *summary(found, config)]:
        typer.echo(line)
