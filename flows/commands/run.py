"""`deepvideo demo` and `deepvideo run`: a run or its continuation."""

from __future__ import annotations

import os
import shlex
import shutil
import sys
from pathlib import Path
from typing import Annotated

import typer

from flows.commands.options import Accept, RunDir, Sets
from flows.config import RunConfig, load_config
from flows.terminal import log_of, quiet, stderr_to, terminal


def demo(
    run_dir: RunDir = "runs/demo",
    rounds: Annotated[int, typer.Option(help="Rounds to complete.")] = 3,
    samples: Annotated[int, typer.Option(help="Samples a round.")] = 32,
    overrides: Sets = None,
    accept_changes: Accept = False,
) -> None:
    """The embedded default: the whole loop on a CPU, with the real vLLM and real videos."""
    sets = [f"rounds={rounds}", f"select.samples_per_round={samples}", f"data.num_train={max(samples, 256)}"]
    more = f"demo --run-dir {shlex.quote(run_dir)} --rounds {rounds + 3} --samples {samples}"
    _run(load_config("tiny", sets + (overrides or [])), run_dir, accept_changes, more + _repeated(overrides))


def run(
    config: Annotated[str, typer.Argument(help="A TOML file, or a preset's name.")],
    run_dir: Annotated[str | None, typer.Option("--run-dir", help="Default: runs/<name of CONFIG>.")] = None,
    overrides: Sets = None,
    accept_changes: Accept = False,
) -> None:
    """Start a run or continue it: completed stages are never repeated."""
    settings = load_config(config, overrides)
    folder = run_dir or f"runs/{Path(config).stem}"
    kept = [override for override in overrides or [] if not override.startswith("rounds=")]
    more = f"run {shlex.quote(config)} --run-dir {shlex.quote(folder)}"
    _run(settings, folder, accept_changes, more + _repeated([*kept, f"rounds={settings.rounds + 3}"]))


def _run(config: RunConfig, run_dir: str, accept_changes: bool, more: str) -> None:
    quiet()
    console = terminal()
    from flows.session import open_session
    from flows.tables import rounds_table, seconds_table, validation_lines

    with (
        stderr_to(log_of(run_dir)),
        open_session(run_dir, config, console, accept_changes=accept_changes) as session,
    ):
        console.print(f"run {session.run.identity.run_id} in {run_dir}: starting Prefect", highlight=False)
        from flows.curriculum import curriculum

        curriculum(session)
        console.print(rounds_table(session.run))
        console.print(seconds_table(session.run))
        for line in validation_lines(session.run):
            console.print(line, highlight=False)
    console.print(f"\nrun directory: {run_dir}\ntry next:", highlight=False)
    program = _program()
    console.print(f"  {program} status --run-dir {run_dir}", highlight=False)
    console.print(
        f"  {program} sql --run-dir {run_dir} "
        '"select sample_id, difficulty, label from difficulty order by difficulty desc limit 10"',
        highlight=False,
    )
    console.print(f"  {program} {more}", highlight=False)


def _program() -> str:
    """How this program can be called again from here: by name, or by path if it is not on the PATH."""
    called = Path(sys.argv[0])
    on_path = shutil.which(called.name) is not None
    return os.path.relpath(called) if called.name == "deepvideo" and not on_path else "deepvideo"


def _repeated(overrides: list[str] | None) -> str:
    return "".join(f" --set {shlex.quote(override)}" for override in overrides or [])
