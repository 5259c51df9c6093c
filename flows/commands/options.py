"""Options that several commands share."""

from __future__ import annotations

from typing import Annotated

import typer

RunDir = Annotated[str, typer.Option("--run-dir", help="The run: a local folder or an object-store URL.")]
Sets = Annotated[
    list[str] | None, typer.Option("--set", help="Override a setting: name=value, e.g. rollout.group_size=4.")
]
Accept = Annotated[bool, typer.Option("--accept-changes", help="Redo the stages that changed settings make stale.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Say what would be done and how much it is; do nothing.")]
