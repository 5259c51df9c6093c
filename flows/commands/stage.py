"""`deepvideo stage`: one stage of one round alone."""

from __future__ import annotations

from typing import Annotated

import typer

from flows.commands.options import RunDir
from flows.config import stored_config
from flows.terminal import log_of, quiet, stderr_to, terminal
from storage.errors import UserError


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
    config = stored_config(Run.open(run_dir))
    quiet()
    with stderr_to(log_of(run_dir)), open_session(run_dir, config, terminal()) as session:
        manifest = run_stage(session, name, round_index, force=force)
        write_views(session.run)
    typer.echo(f"{manifest.folder}: attempt {manifest.number}, {manifest.info['seconds']:.1f} s")
