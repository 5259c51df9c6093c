"""`deepvideo rescore`: stored responses graded again under other reward settings."""

from __future__ import annotations

from typing import Annotated

import typer

from flows.commands.options import RunDir, Sets
from flows.config import stored_config
from flows.terminal import log_of, quiet, stderr_to, terminal


def rescore(
    round_index: Annotated[int, typer.Option("--round", min=0, help="The round, from 0.")],
    run_dir: RunDir = "runs/demo",
    overrides: Sets = None,
) -> None:
    """Grade a round's stored responses again, e.g. with --set rewards.format_weight=0.5; no engine is needed.

    The settings are stored, as `run --accept-changes` does; what depended on the rewards is stale and redone by `run`.
    """
    quiet()
    from flows.rescore import rescore, sources
    from flows.session import open_session
    from flows.stage_specs import run_settings
    from storage.run import Run
    from storage.views import write_views

    console, before = terminal(), Run.open(run_dir)
    config = stored_config(before, overrides)
    sources(before.under(run_settings(config)), config, round_index)  # refuses before the settings are stored
    current = [place for place in before.ledger.addresses() if before.ledger.current(place)]
    with stderr_to(log_of(run_dir)), open_session(run_dir, config, console, accept_changes=True) as session:
        done = rescore(session, round_index)
        write_views(session.run)
        stale = [place for place in current if session.run.ledger.current(place) is None]
    for found in done:
        console.print(
            f"{found.place}: {found.num_rows} responses graded again in {found.seconds:.1f} s, "
            f"{found.num_changed} rewards changed, mean {found.mean_before:.3f} before, {found.mean_after:.3f} after",
            highlight=False,
        )
    if not done:
        console.print("nothing to do: the responses are graded by today's settings", highlight=False)
    if stale:
        console.print(f"stale now, redone by the next `deepvideo run`: {', '.join(stale)}", highlight=False)
