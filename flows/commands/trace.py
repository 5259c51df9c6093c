"""`deepvideo trace`: one sample's life over rounds."""

from __future__ import annotations

from typing import Annotated

import typer

from flows.commands.options import RunDir
from flows.terminal import terminal
from storage.errors import UserError


def trace(
    sample: Annotated[str, typer.Argument(help="A sample's id, or the beginning of one.")],
    run_dir: RunDir = "runs/demo",
) -> None:
    """A sample's life over rounds: rewards, difficulty, augmentation, advantages, steps it was trained in."""
    from flows.trace import UnknownSample
    from flows.trace import trace as trace_sample
    from flows.trace_view import print_life
    from storage.run import Run

    try:
        life = trace_sample(Run.open(run_dir), sample)
    except UnknownSample as error:
        raise UserError(str(error)) from error
    print_life(life, terminal())
