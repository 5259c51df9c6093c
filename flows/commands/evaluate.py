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
from storage.errors import UserError

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
    from flows.session import find_checkpoint

    # Said before the hours that the first model may take.
    if against:
        find_checkpoint(against)
    if json_file and not json_file.parent.is_dir():
        raise UserError(f"--json {json_file}: the folder {json_file.parent} is not there; make it, or name another")
    if model and not run_dir:
        results = [_own(config, model, overrides)]
    else:
        place = run_dir or f"runs/{Path(config).stem}"
        results = [_results(place, config, model, overrides, accept_changes=accept_changes)]
    if against:
        results.append(_own(config, against, overrides))
    found = differences(*results) if against else []
    print_results(results, found, terminal())
    if json_file:
        json_file.write_text(json.dumps(as_json(results, found), indent=1) + "\n", encoding="utf-8")


def _own(config: str, model: str, overrides: list[str] | None) -> Results:
    """The evaluation of a model in a run of its own, named by the settings and by the model's path as given.

    It holds nothing else, so other settings of the evaluation need no consent; those before stay, and count again when
    they are given again.
    """
    name = re.sub(r"[^\w.-]+", "-", model).strip("-.")
    return _results(f"runs/evaluations/{Path(config).stem}/{name}", config, model, overrides, accept_changes=True)


def _results(
    run_dir: str, config: str, model: str | None, overrides: list[str] | None, *, accept_changes: bool
) -> Results:
    sets = [*(overrides or []), *([f"model.path={json.dumps(model)}"] if model else [])]
    settings, console = load_config(config, sets), terminal()
    from flows.session import open_session

    with (
        stderr_to(log_of(run_dir)),
        open_session(run_dir, settings, console, accept_changes=accept_changes) as session,
    ):
        # Whatever is wrong has been said by now, before Prefect takes its seconds to start.
        console.print(f"run {session.run.identity.run_id} in {run_dir}: starting Prefect", highlight=False)
        from flows.evaluate import evaluate

        return evaluate(run_dir, config, sets, round_index=0 if model else None, accept_changes=accept_changes)
