"""`deepvideo report`: the run as one HTML file."""

from __future__ import annotations

import typer

from flows.commands.options import RunDir


def report(run_dir: RunDir = "runs/demo") -> None:
    """Write the run's report: one self-contained HTML file with its numbers and pictures."""
    from flows.report import write_report
    from storage.run import Run

    typer.echo(write_report(Run.open(run_dir)))
