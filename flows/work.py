"""What every flow begins with: an accelerator of its own, the run's lock, an open session, a place to say things."""

from __future__ import annotations

import io
import logging
import os
import socket
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext

from prefect import runtime
from prefect.concurrency.sync import concurrency
from prefect.logging import get_run_logger
from prefect.settings import PREFECT_API_URL
from rich.console import Console

from flows.config import load_config, stored_config
from flows.lifetime import end_with_parent
from flows.session import Session, open_session
from flows.terminal import terminal
from storage.run import Run

LEASE_SECONDS = 60  # after a crash or power loss the accelerator is free again this long after the last renewal


@contextmanager
def at_work(
    run_dir: str, config: str | None, overrides: list[str] | None = None, *, accept_changes: bool = False
) -> Iterator[Session]:
    """A session on the run at `run_dir`, once the accelerator is free.

    config: a preset's name or a TOML file; None takes the settings that the run has stored.

    Raises UserError for wrong settings and RunBusy if another process works on the run.
    """
    settings = load_config(config, overrides) if config else stored_config(Run.open(run_dir), overrides)
    with (
        _accelerator_free(),
        open_session(run_dir, settings, _console(), accept_changes=accept_changes) as session,
    ):
        yield session


def _accelerator_free() -> AbstractContextManager[None]:
    """Waits for the accelerator where a lasting server gives it to one process after the other.

    The server that a command starts for itself gives none: killed with its command, it could never take one back.
    """
    if PREFECT_API_URL.value() is None:
        return nullcontext()
    return concurrency(accelerator(), lease_duration=LEASE_SECONDS, raise_on_lease_renewal_failure=False)


def accelerator() -> str:
    """The name of the global concurrency limit that stands for the devices this process may use.

    One process at a time: `deepvideo serve` makes it; without it (a run from the command line) nothing is waited for.
    """
    devices = os.environ.get("CUDA_VISIBLE_DEVICES", "all").replace(",", "-")
    return f"accelerator-{socket.gethostname()}-{devices}"


def _console() -> Console:
    """The terminal of a command; the flow run's own log in a deployment, whose process ends with its worker."""
    if runtime.deployment.id is None:
        return terminal()
    end_with_parent()
    return Console(file=_LogLines(get_run_logger()), width=120)


class _LogLines(io.StringIO):
    """A text file whose lines go to a logger."""

    def __init__(self, logger: logging.Logger | logging.LoggerAdapter[logging.Logger]) -> None:
        super().__init__()
        self._logger, self._rest = logger, ""

    def write(self, text: str) -> int:
        *lines, self._rest = (self._rest + text).split("\n")
        for line in lines:
            self._logger.info(line)
        return len(text)
