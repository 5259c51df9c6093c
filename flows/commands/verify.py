"""`deepvideo verify`: hashes a run again and names what is damaged."""

from __future__ import annotations

import typer

from flows.commands.options import RunDir
from flows.terminal import terminal

MEGABYTE = 1e6
MAX_ORPHANS = 20


def verify(run_dir: RunDir = "runs/demo") -> None:
    """Hash every file of a run again and name what is damaged, with the remedy; exit code 1 if anything is."""
    from flows.progress import StageProgress
    from flows.tables import narrow
    from storage import verify as storage_verify
    from storage.files import Files

    console = terminal()
    with StageProgress(console, f"verify {run_dir}") as progress:
        report = storage_verify.verify(Files(run_dir), progress)
    table = narrow(None)
    table.add_column("checked")
    for name in ("files", "MB", "seconds", "MB/s"):
        table.add_column(name, justify="right")
    for kind, count in report.checked.items():
        size = count.bytes / MEGABYTE
        rate = f"{size / count.seconds:.0f}" if count.seconds else ""
        table.add_row(kind, str(count.files), f"{size:.2f}", f"{count.seconds:.2f}", rate)
    console.print(table)
    if report.pruned:
        typer.echo(f"pruned: {report.pruned} files are gone, as their tombstones say")
    if report.elsewhere:
        typer.echo(f"elsewhere: {report.elsewhere} sample videos are outside the run and not on this machine")
    if report.orphans:
        size = sum(report.orphans.values()) / MEGABYTE
        typer.echo(f"orphans: {len(report.orphans)} files, {size:.2f} MB, that no record names (no damage: left by")
        typer.echo("  a killed writer, or being written now)")
        for path in list(report.orphans)[:MAX_ORPHANS]:
            typer.echo(f"  orphan {path}")
        if len(report.orphans) > MAX_ORPHANS:
            typer.echo(f"  and {len(report.orphans) - MAX_ORPHANS} more")
    for damage in report.damages:
        typer.echo(f"damaged: {damage.path}: {damage.problem}; remedy: {damage.remedy}")
    if report.damages:
        typer.echo(f"{len(report.damages)} damaged")
        raise typer.Exit(1)
    typer.echo("nothing is damaged")
