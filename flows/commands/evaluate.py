"""`deepvideo evaluate`: a benchmark's metrics of a run's policy, or of any model, or of two side by side."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from flows.commands.options import Accept, Sets
from flows.config import load_config
from flows.terminal import log_of, quiet, stderr_to, terminal

if TYPE_CHECKING:
    from flows.results import Results


def evaluate(
    config: Annotated[str, typer.Argument(help="A TOML file, or a preset's name.")],
    model: Annotated[
        str | None, typer.Option("--model", help="A checkpoint folder; default: the newest policy of --run-dir.")
    ] = None,
    against: Annotated[
        str | None, typer.Option("--against", help="A checkpoint folder: answers the same questions, and is compared.")
    ] = None,
    run_dir: Annotated[
        str | None,
        typer.Option("--run-dir", help="Default: runs/<name of CONFIG>; with --model runs/evaluations/<both names>."),
    ] = None,
    json_file: Annotated[Path | None, typer.Option("--json", help="Write the results to this file too.")] = None,
    overrides: Sets = None,
    accept_changes: Accept = False,
) -> None:
    """Evaluate a policy on the validation split and print its benchmark's table; what is done is never repeated."""
    quiet()
    from flows.results import as_json, differences
    from flows.results_view import print_results

    folder = run_dir or (_folder(config, model) if model else f"runs/{Path(config).stem}")
    results = [_results(folder, config, model, overrides, accept_changes)]
    if against:
        results.append(_results(_folder(config, against), config, against, overrides, accept_changes))
    found = differences(*results) if against else []
    print_results(results, found, terminal())
    if json_file:
        json_file.write_text(json.dumps(as_json(results, found), indent=1) + "\n", encoding="utf-8")


def _folder(config: str, model: str) -> str:
    """Where a model's evaluation lives: a run of its own, named by the settings and by the model's path as given."""
    name = re.sub(r"[^\w.-]+", "-", model).strip("-.")
    return f"runs/evaluations/{Path(config).stem}/{name}"


def _results(
    run_dir: str, config: str, model: str | None, overrides: list[str] | None, accept_changes: bool
) -> Results:
    sets = [*(overrides or []), *([f"model.path={json.dumps(model)}"] if model else [])]
    settings, console = load_config(config, sets), terminal()
    from flows.session import open_session

    with stderr_to(log_of(run_dir)):
        with open_session(run_dir, settings, console, accept_changes=accept_changes) as session:
            # Whatever is wrong has been said by now, before Prefect takes its seconds to start.
            console.print(f"run {session.run.identity.run_id} in {run_dir}: starting Prefect", highlight=False)
        from flows.evaluate import evaluate

        return evaluate(run_dir, config, sets, round_index=0 if model else None, accept_changes=accept_changes)
