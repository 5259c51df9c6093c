"""`deepvideo doctor`: what this machine has and lacks."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Annotated

import typer

from flows.commands.options import RunDir
from flows.terminal import terminal

STYLES = {"ok": "green", "warn": "yellow", "bad": "bold red"}


def doctor(
    run_dir: RunDir = "runs/demo",
    as_json: Annotated[bool, typer.Option("--json", help="Print the findings as a JSON array.")] = False,
) -> None:
    """What is installed, what hardware, which engine settings fit, what is missing and how to get it; 1 if bad."""
    from flows.doctor.facts import examine

    checks = examine(run_dir)
    if as_json:
        typer.echo(json.dumps([asdict(check) for check in checks], indent=1))
    else:
        console, width = terminal(), max(len(check.name) for check in checks)
        for check in checks:
            line = f"{check.name:<{width}}  {check.found}"
            console.print(f"[{STYLES[check.state]}]{check.state:<4}[/]", end="  ")
            console.print(line, markup=False, highlight=False, soft_wrap=True)
            if check.remedy:
                console.print(f"{'':{width + 8}}{check.remedy}", markup=False, highlight=False, soft_wrap=True)
    if any(check.state == "bad" for check in checks):
        raise typer.Exit(1)
