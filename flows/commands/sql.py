"""`deepvideo sql`: a question to the run's tables."""

from __future__ import annotations

import sys
from typing import Annotated, Literal

import typer

from flows.commands.options import RunDir
from flows.terminal import terminal


def sql(
    statement: Annotated[
        str, typer.Argument(help="One SELECT over the views: rollouts, groups, difficulty, rounds, ...")
    ],
    run_dir: RunDir = "runs/demo",
    output: Annotated[
        Literal["table", "csv", "json", "parquet"], typer.Option("--format", help="How to print the result.")
    ] = "table",
) -> None:
    """Ask the run's tables a question in SQL; nothing can be written, nothing outside the run read."""
    from flows.tables import print_result
    from storage.export import export
    from storage.query import query
    from storage.run import Run

    result = query(Run.open(run_dir), statement)
    if output == "table":
        print_result(result, terminal())
    else:
        sys.stdout.buffer.write(export(result, output))
