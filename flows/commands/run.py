"""`deepvideo demo` and `deepvideo run`: a run or its continuation."""

from __future__ import annotations

import os
import shlex
import shutil
import sys
from pathlib import Path
from typing import Annotated

import typer

from flows.commands.options import Accept, DryRun, RunDir, Sets
from flows.config import load_config
from flows.terminal import log_of, quiet, stderr_to, terminal


def demo(
    run_dir: RunDir = "runs/demo",
    rounds: Annotated[int, typer.Option(min=1, help="Rounds to complete.")] = 3,
    samples: Annotated[int, typer.Option(min=1, help="Samples a round.")] = 32,
    overrides: Sets = None,
    accept_changes: Accept = False,
    dry_run: DryRun = False,
) -> None:
    """The embedded default: the whole loop on a CPU, with the real vLLM and real videos."""
    sets = [f"rounds={rounds}", f"select.samples_per_round={samples}", f"data.num_train={max(samples, 256)}"]
    if dry_run:
        return _plan("tiny", sets + (overrides or []), run_dir)
    more = f"demo --run-dir {shlex.quote(run_dir)} --rounds {rounds + 3} --samples {samples}"
    _run("tiny", sets + (overrides or []), run_dir, accept_changes, more + _repeated(overrides))


def run(
    config: Annotated[str, typer.Argument(help="A TOML file, or a preset's name.")],
    run_dir: Annotated[str | None, typer.Option("--run-dir", help="Default: runs/<name of CONFIG>.")] = None,
    overrides: Sets = None,
    accept_changes: Accept = False,
    dry_run: DryRun = False,
) -> None:
    """Start a run or continue it: completed stages are never repeated."""
    rounds = load_config(config, overrides).rounds
    folder = run_dir or f"runs/{Path(config).stem}"
    if dry_run:
        return _plan(config, overrides or [], folder)
    kept = [override for override in overrides or [] if not override.startswith("rounds=")]
    more = f"run {shlex.quote(config)} --run-dir {shlex.quote(folder)}"
    _run(config, overrides or [], folder, accept_changes, more + _repeated([*kept, f"rounds={rounds + 3}"]))


def _plan(config: str, overrides: list[str], run_dir: str) -> None:
    settings = load_config(config, overrides)
    quiet()
    from flows.plan import make_plan
    from flows.plan_view import print_plan

    print_plan(make_plan(run_dir, settings), run_dir, terminal())


def _run(config: str, overrides: list[str], run_dir: str, accept_changes: bool, more: str) -> None:
    settings = load_config(config, overrides)
    quiet()
    console = terminal()
    from flows.session import open_session
    from flows.tables import rounds_table, seconds_table, validation_lines
    from storage.layout import REPORT
    from storage.run import Run

    with stderr_to(log_of(run_dir)):
        with open_session(run_dir, settings, console, accept_changes=accept_changes) as session:
            # Whatever is wrong has been said by now, before Prefect takes its seconds to start.
            console.print(f"run {session.run.identity.run_id} in {run_dir}: starting Prefect", highlight=False)
            from flows.curriculum import curriculum

            curriculum(run_dir, config, overrides, accept_changes)
        from flows.report import write_report

    run = Run.open(run_dir)
    console.print(rounds_table(run))
    console.print(seconds_table(run))
    for line in validation_lines(run):
        console.print(line, highlight=False)
    write_report(run)
    console.print(f"\nrun directory: {run_dir}\nreport: {run_dir}/{REPORT}\ntry next:", highlight=False)
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
