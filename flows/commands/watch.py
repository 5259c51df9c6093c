"""`deepvideo watch`: a running round, live, from another process."""

from __future__ import annotations

import signal
from typing import Annotated

import typer
from rich.console import Console
from rich.live import Live

from flows.commands.options import RunDir
from flows.terminal import terminal


def watch(
    run_dir: RunDir = "runs/demo",
    once: Annotated[bool, typer.Option("--once", help="Show the present state and end.")] = False,
) -> None:
    """The running round, live: how far, how fast, rewards so far, the last training steps, who works on it.

    Reads only; ends when the run is complete, when nobody works on it, or with Ctrl-C.
    """
    interrupted = False

    def interrupt(signal_number: int, frame: object) -> None:
        nonlocal interrupted
        interrupted = True
        raise KeyboardInterrupt

    signal.signal(signal.SIGINT, interrupt)  # instead of the command line's: here Ctrl-C is how it ends
    try:
        _watch(run_dir, once, terminal())
    except (Exception, KeyboardInterrupt):  # DuckDB turns an interrupt of its query into an error of its own
        if not interrupted:
            raise


def _watch(run_dir: str, once: bool, console: Console) -> None:
    from flows.watch import Watcher
    from flows.watch_view import farewell, line, screen

    watcher = Watcher(run_dir)
    if once:
        console.print(screen(watcher.look()))
        return
    if console.is_terminal:
        with Live(console=console, auto_refresh=False) as live:
            for look in watcher.looks():
                live.update(screen(look), refresh=True)
    else:
        said = ""
        for look in watcher.looks():
            if line(look) != said:
                said = line(look)
                console.print(said, markup=False, highlight=False)
    console.print(farewell(look), markup=False, highlight=False)
