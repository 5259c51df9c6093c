"""`deepvideo replay`: does a round's training come out the same again?"""

from __future__ import annotations

from typing import Annotated

import typer

from flows.commands.options import RunDir
from flows.config import stored_config
from flows.terminal import log_of, quiet, stderr_to, terminal


def replay(
    round_index: Annotated[int, typer.Option("--round", min=0, help="The round, from 0.")],
    step: Annotated[int, typer.Option("--step", min=0, help="The last optimiser step to replay, from 0.")],
    run_dir: RunDir = "runs/demo",
    rtol: Annotated[
        float, typer.Option(min=0, help="Largest relative difference; other hardware or versions round differently.")
    ] = 1e-5,
) -> None:
    """Replay a round's training from its start and compare loss and gradient norm with what was logged.

    On the same machine with the same versions a CPU gives identical figures. Exit code 1 if they differ by more.
    """
    quiet()
    from flows.progress import StageProgress
    from flows.replay import replay_round
    from flows.session import Session
    from flows.tables import replay_table
    from storage.run import Run

    console, config = terminal(), stored_config(Run.open(run_dir))
    with stderr_to(log_of(run_dir)):
        session = Session(run_dir, config, console)
        with StageProgress(console, f"replay round {round_index}") as progress:
            found = replay_round(session, round_index, step, progress)
    console.print(replay_table(found))
    worst = max(found, key=lambda comparison: comparison.difference)
    where = f"{worst.name} of step {worst.step}"
    if worst.difference == 0.0:
        console.print("identical", highlight=False)
    elif worst.difference <= rtol:
        console.print(f"agrees: the largest relative difference is {worst.difference:.1e} ({where})", highlight=False)
    else:
        first = next(comparison for comparison in found if comparison.difference > rtol)
        console.print(
            f"differs: from step {first.step} ({first.name}) on; at most by {worst.difference:.1e}, {where}; "
            f"allowed is {rtol:.1e}",
            highlight=False,
        )
        raise typer.Exit(1)
