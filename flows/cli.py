"""The `deepvideo` command. Exit codes: 0 done; 2 the user's input is wrong, one line; 1 a fault; 130 interrupted."""

from __future__ import annotations

import atexit
import errno
import os
import shutil
import signal
import sys
import traceback
from pathlib import Path

import typer

from flows import terminal
from flows.commands.check_data import check_data
from flows.commands.config import config
from flows.commands.doctor import doctor
from flows.commands.evaluate import evaluate
from flows.commands.prune import prune
from flows.commands.replay import replay
from flows.commands.report import report
from flows.commands.rescore import rescore
from flows.commands.run import demo, run
from flows.commands.serve import serve
from flows.commands.sql import sql
from flows.commands.stage import stage
from flows.commands.status import status
from flows.commands.trace import trace
from flows.commands.verify import verify
from flows.commands.watch import watch
from storage.errors import UserError

app = typer.Typer(
    add_completion=False, no_args_is_help=True, pretty_exceptions_enable=False, help=__doc__.split(". ")[0]
)
commands = (
    demo, run, check_data, watch, stage, evaluate, status, sql, trace, verify, prune, replay, rescore, report, serve,
    doctor,
)  # fmt: skip
for command in commands:
    app.command()(command)
app.add_typer(config, name="config")


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
            said = error.format_message()  # none where the help itself was printed
            code, line = 2, f"{said} (see deepvideo --help)" if said else ""
        else:
            code, line = 1, _disk_problem(error) or _store_problem(error) or _fault(error)
    if interrupted:
        return 130, "interrupted; nothing committed is lost: repeat the same command to continue"
    return code, line


def _fault(error: BaseException) -> str:
    text = f"fault: {type(error).__name__}: {' '.join(str(error).split())}"
    for log in reversed(terminal.logs):  # the run's own, else the one of every command
        try:
            log.parent.mkdir(parents=True, exist_ok=True)
            with open(log, "a", encoding="utf-8") as file:
                traceback.print_exception(error, file=file)
        except OSError:
            continue
        return f"{text}; details in {log}"
    return f"{text}; no log can be written: {log}"


def _disk_problem(error: BaseException | None) -> str:
    """Which disk cannot be written, and what to do about it; empty if that is not what went wrong."""
    while error is not None:
        number, where = getattr(error, "errno", None), getattr(error, "filename", None)
        if number == errno.ENOSPC or os.strerror(errno.ENOSPC) in str(error):
            where = where or min(_places(), key=lambda place: shutil.disk_usage(place).free)
            return f"{where}: the disk is full; free some space and repeat the same command: what is committed is kept"
        if number in (errno.EROFS, errno.EACCES, errno.EPERM) and where:
            return f"{where}: {os.strerror(number)}; make it writable, or choose another --run-dir"
        error = error.__cause__
    return ""


def _store_problem(error: BaseException) -> str:
    """What an object store's client says before any answer came, and what to do about it; empty for other errors."""
    if type(error).__module__ != "botocore.exceptions":
        return ""
    return (
        f"object store: {error}; check AWS_ENDPOINT_URL, the network and AWS_ACCESS_KEY_ID (or the profile), "
        "then repeat the same command: what is committed is kept"
    )


def _places() -> set[Path]:
    """Folders that a command writes to: where its logs lie, the run's among them, and the temporary folder."""
    return {next(parent for parent in log.parents if parent.exists()) for log in terminal.logs}


if __name__ == "__main__":
    main()
