"""The `deepvideo` command. Exit codes: 0 done; 2 the user's input is wrong, one line; 1 a fault; 130 interrupted."""

from __future__ import annotations

import atexit
import os
import shlex
import shutil
import signal
import sys
import tempfile
import traceback
from pathlib import Path
from typing import Annotated, Literal

import typer
from rich.console import Console

from flows.chatter import stderr_to
from flows.config import RunConfig, load_config
from storage.errors import UserError
from storage.layout import LOGS

app = typer.Typer(
    add_completion=False, no_args_is_help=True, pretty_exceptions_enable=False, help=__doc__.split(". ")[0]
)
_faults = [Path(tempfile.gettempdir()) / "deepvideo.log"]
RunDir = Annotated[str, typer.Option("--run-dir", help="The run: a local folder or an object-store URL.")]
Sets = Annotated[
    list[str] | None, typer.Option("--set", help="Override a setting: name=value, e.g. rollout.group_size=4.")
]
Accept = Annotated[bool, typer.Option("--accept-changes", help="Redo the stages that changed settings make stale.")]


@app.command()
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


@app.command()
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


@app.command()
def stage(
    name: Annotated[
        str, typer.Argument(help="select, rollout, difficulty, augment, rollout_augmented, curate, train, evaluate")
    ],
    round_index: Annotated[int, typer.Option("--round", min=0, help="The round, from 0.")],
    run_dir: RunDir = "runs/demo",
    force: Annotated[bool, typer.Option("--force", help="A new attempt, though a current one exists.")] = False,
) -> None:
    """Do one stage of one round alone; what depended on it is stale and redone by the next `run`."""
    from flows.session import open_session
    from flows.stage_specs import SPECS
    from flows.stages import run_stage
    from storage.run import Run
    from storage.views import write_views

    if name not in SPECS:
        raise UserError(f"{name}: no such stage; the stages are {', '.join(SPECS)}")
    config = RunConfig.model_validate(Run.open(run_dir).settings.config)
    _quiet()
    with stderr_to(_log(run_dir)), open_session(run_dir, config, _console()) as session:
        manifest = run_stage(session, name, round_index, force=force)
        write_views(session.run)
    typer.echo(f"{manifest.folder}: attempt {manifest.number}, {manifest.info['seconds']:.1f} s")


@app.command()
def status(run_dir: RunDir = "runs/demo") -> None:
    """Rounds x stages: done, stale, failed (why), missing; rows and seconds."""
    from flows.tables import status_table
    from storage.run import Run

    found = Run.open(run_dir)
    table, failures = status_table(found, RunConfig.model_validate(found.settings.config))
    _console().print(table)
    for line in failures:
        typer.echo(line)


@app.command()
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
        print_result(result, _console())
    else:
        sys.stdout.buffer.write(export(result, output))


def main() -> None:
    """The entry point: every way to fail ends in one line and an exit code."""
    atexit.register(_silence)
    code, line = _outcome()
    if line:
        print(f"deepvideo: {line}", file=sys.stderr)
    raise SystemExit(code)


def _silence() -> None:
    """What libraries say while the interpreter ends (DuckDB's binding lists leaks after an interrupt) is for nobody."""
    sys.stderr.flush()
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)


def _outcome() -> tuple[int, str]:
    interrupted = False

    def interrupt(signal_number: int, frame: object) -> None:
        nonlocal interrupted
        interrupted = True
        raise KeyboardInterrupt

    signal.signal(signal.SIGINT, interrupt)  # Prefect may turn the interrupt into an error of its own
    try:
        code = app(standalone_mode=False) or 0  # the code of a typer.Exit
        line = ""
    except UserError as error:
        code, line = 2, str(error)
    except (Exception, KeyboardInterrupt) as error:
        if hasattr(error, "format_message"):  # click's own: an unknown option, a missing argument
            code, line = 2, f"{error.format_message()} (see deepvideo --help)"
        else:
            code, line = 1, f"fault: {type(error).__name__}: {' '.join(str(error).split())}; details in {_faults[-1]}"
            _faults[-1].parent.mkdir(parents=True, exist_ok=True)
            with open(_faults[-1], "a", encoding="utf-8") as log:
                traceback.print_exc(file=log)
    if interrupted:
        return 130, "interrupted; nothing committed is lost: repeat the same command to continue"
    return code, line


def _run(config: RunConfig, run_dir: str, accept_changes: bool, more: str) -> None:
    _quiet()
    console = _console()
    from flows.session import open_session
    from flows.tables import rounds_table, seconds_table, validation_lines

    with (
        stderr_to(_log(run_dir)),
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


def _log(run_dir: str) -> Path:
    """Where libraries' output and the details of a fault go: the run's own logs, if it is a local folder."""
    folder = Path(tempfile.gettempdir()) if "://" in run_dir else Path(run_dir)
    _faults.append(folder / LOGS / "deepvideo.log")
    return _faults[-1]


def _console() -> Console:
    return Console(soft_wrap=not sys.stdout.isatty())


def _quiet() -> None:
    """Settings that libraries take from the environment: quiet, offline, patient with a slow start.

    OMP_WAIT_POLICY: threads that wait by spinning take the cores from the ones that work. On two cores with other work
    beside it, a round's training went from 41 s to 2 s without the spinning.
    """
    for name, value in {
        "PREFECT_LOGGING_LEVEL": "CRITICAL",
        "PREFECT_SERVER_LOGGING_LEVEL": "ERROR",
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "120",
        "OMP_WAIT_POLICY": "PASSIVE",
        "DO_NOT_TRACK": "1",
        "HF_HUB_OFFLINE": "1",
        "TRANSFORMERS_VERBOSITY": "error",
        "HF_HUB_DISABLE_PROGRESS_BARS": "1",
        "TOKENIZERS_PARALLELISM": "false",
    }.items():
        os.environ.setdefault(name, value)


if __name__ == "__main__":
    main()
