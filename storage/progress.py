"""What the process at work on a run does now: one small file for those who watch, replaced as the work goes on.

It is derived and holds nothing that a table will not hold; only runs on a local disk have it.
"""

from __future__ import annotations

import json
import os
import socket
import time
from collections import deque
from dataclasses import asdict, dataclass, field, replace
from typing import Protocol

from storage import layout
from storage.files import Files

SECONDS_BETWEEN_WRITES = 1.0
NUM_FIGURES = 5


class Progress(Protocol):
    """What long work reports to: `done` of `total` steps of `what`; figures: what the last step measured, by name."""

    def __call__(self, what: str, done: int, total: int, **figures: float) -> None:
        """Reports the state after a step, or before the first."""


@dataclass(frozen=True)
class Now:
    """The work of one process on one stage.

    address: the stage and its round. rate: steps a second since the first report about `what`; None until one is done.
    figures: those of the last steps, with their number as `done`, the latest last.
    """

    host: str
    pid: int
    address: str
    what: str = ""
    done: int = 0
    total: int = 0
    rate: float | None = None
    figures: list[dict[str, float]] = field(default_factory=list)


class Note:
    """Writes `Now` where a stage or another part of its work begins, else at most once a second."""

    def __init__(self, files: Files) -> None:
        self._files = files
        self._now = Now(socket.gethostname(), os.getpid(), "")
        self._figures: deque[dict[str, float]] = deque(maxlen=NUM_FIGURES)
        self._began, self._first, self._written = 0.0, 0, 0.0

    def begin(self, address: str) -> None:
        """A stage begins."""
        self._now = Now(self._now.host, self._now.pid, address)
        self._figures.clear()
        self._write()

    def __call__(self, what: str, done: int, total: int, **figures: float) -> None:
        """See Progress."""
        now = time.monotonic()
        is_new = what != self._now.what
        if is_new:
            self._began, self._first = now, done
        if figures:
            self._figures.append({"done": done, **figures})
        rate = (done - self._first) / (now - self._began) if done > self._first else None
        self._now = replace(self._now, what=what, done=done, total=total, rate=rate, figures=list(self._figures))
        if is_new or now - self._written >= SECONDS_BETWEEN_WRITES:
            self._write()

    def _write(self) -> None:
        self._written = time.monotonic()
        if self._files.is_local:
            self._files.replace(layout.PROGRESS, json.dumps(asdict(self._now)).encode())


def read_now(files: Files) -> Now | None:
    """What was written last, by whatever process; None if nothing was."""
    return Now(**json.loads(files.read(layout.PROGRESS))) if files.exists(layout.PROGRESS) else None
