"""Progress of long work: a bar with a rate on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import time
from types import TracebackType

import rich.progress
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, ProgressColumn, Task, TextColumn, TimeElapsedColumn
from rich.text import Text

from storage.progress import Progress

SECONDS_BETWEEN_LINES = 10.0


class RateColumn(ProgressColumn):
    """Steps a second since the bar began."""

    def render(self, task: Task) -> Text:
        """See ProgressColumn."""
        speed = task.finished_speed or task.speed
        return Text(f"{speed:.1f}/s" if speed else "")


class StageProgress:
    """Shows one stage's work; it is the Progress that the stage reports to. Use as a context manager.

    note: is told the same.
    """

    def __init__(self, console: Console, title: str, note: Progress | None = None) -> None:
        self._console, self._title, self._note = console, title, note
        self._tasks: dict[str, object] = {}
        self._started = self._said = time.monotonic()
        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            RateColumn(),
            TimeElapsedColumn(),
        )
        self._bar = rich.progress.Progress(*columns, console=console, transient=True) if console.is_terminal else None

    def __enter__(self) -> StageProgress:
        if self._bar:
            self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar:
            self._bar.stop()
        seconds = time.monotonic() - self._started
        outcome = "done" if kind is None else "stopped"
        self._console.print(f"{self._title}: {outcome} in {seconds:.1f} s", highlight=False)

    def __call__(self, what: str, done: int, total: int, **figures: float) -> None:
        """See Progress."""
        if self._note:
            self._note(what, done, total, **figures)
        if self._bar:
            if what not in self._tasks:
                self._tasks[what] = self._bar.add_task(f"{self._title}: {what}", total=total)
            self._bar.update(self._tasks[what], completed=done, total=total)  # type: ignore[arg-type]
        elif time.monotonic() - self._said > SECONDS_BETWEEN_LINES:
            self._said = time.monotonic()
            rate = done / (self._said - self._started)
            self._console.print(f"{self._title}: {what} {done}/{total}, {rate:.1f}/s", highlight=False)
