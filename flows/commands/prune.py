"""`deepvideo prune`: removes old checkpoints and altered videos, keeps every table."""

from __future__ import annotations

from typing import Annotated

import typer

from flows.commands.options import RunDir
from flows.config import stored_config
from flows.terminal import terminal

MEGABYTE = 1e6


def prune(
    keep_last: Annotated[int, typer.Option("--keep-last", min=1, help="Trained rounds whose files are kept.")],
    run_dir: RunDir = "runs/demo",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be removed.")] = False,
) -> None:
    """Remove checkpoints, optimiser states and altered videos of old rounds; tables and what `run` needs are kept."""
    from flows.prune import Item, carry_out, plan
    from flows.tables import narrow
    from storage.files import Files
    from storage.lock import run_lock
    from storage.run import Run

    def planned() -> tuple[Run, list[Item]]:
        run = Run.open(run_dir)
        return run, plan(run, stored_config(run), keep_last)

    run, items = planned()
    tombstone = None
    if items and not dry_run:
        with run_lock(Files(run_dir)):
            run, items = planned()
            tombstone = carry_out(run, items)
    if not items:
        typer.echo(f"nothing to prune: only the last {keep_last} trained rounds, and what `run` still needs, are there")
        return
    table = narrow(None)
    for name in ("round", "what"):
        table.add_column(name)
    for name in ("number", "MB"):
        table.add_column(name, justify="right")
    for r, kind in sorted({(item.round_index, item.kind) for item in items}):
        sizes = [item.bytes for item in items if (item.round_index, item.kind) == (r, kind)]
        table.add_row(str(r), kind, str(len(sizes)), f"{sum(sizes) / MEGABYTE:.2f}")
    terminal().print(table)
    size = sum(item.bytes for item in items) / MEGABYTE
    if dry_run:
        typer.echo(f"would free {size:.2f} MB; nothing was removed (--dry-run)")
    else:
        typer.echo(f"freed {size:.2f} MB" + (f"; what and why is in {run_dir}/{tombstone}" if tombstone else ""))
