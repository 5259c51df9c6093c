"""What a command says and where: its console, the libraries' output in a log file, their settings."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console

from storage.files import Files
from storage.layout import LOGS

logs = [Path(tempfile.gettempdir()) / "deepvideo.log"]  # the last one takes the details of a fault


def terminal() -> Console:
    """The console of a command."""
    return Console(soft_wrap=not sys.stdout.isatty())


@contextmanager
def stderr_to(log: Path) -> Iterator[None]:
    """Appends everything written to file descriptor 2, C libraries' output included, to `log` while the block runs."""
    log.parent.mkdir(parents=True, exist_ok=True)
    sys.stderr.flush()
    kept = os.dup(2)
    with open(log, "ab") as file:
        os.dup2(file.fileno(), 2)
    try:
        yield
    finally:
        sys.stderr.flush()
        os.dup2(kept, 2)
        os.close(kept)


def log_of(run_dir: str) -> Path:
    """Where libraries' output and the details of a fault go: the run's own logs, if it is a local folder."""
    logs.append(log_folder(run_dir) / "deepvideo.log")
    return logs[-1]


def log_folder(run_dir: str) -> Path:
    """The run's own folder of logs, if it is a local folder; else one of this machine's."""
    files = Files(run_dir)
    return files.local(LOGS) if files.is_local else Path(tempfile.gettempdir()) / LOGS


def quiet() -> None:
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
