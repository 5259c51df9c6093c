"""`deepvideo check-data`: reads every annotation, opens every video, says what is wrong before a run finds out."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from flows.commands.options import Sets
from flows.config import RunConfig, load_config
from flows.terminal import terminal
from storage.errors import UserError

if TYPE_CHECKING:
    from flows.check_data import Checked
    from storage.files import Files


def check_data(
    config: Annotated[str, typer.Argument(help="A TOML file, or a preset's name.")],
    run_dir: Annotated[str | None, typer.Option("--run-dir", help="Write the sample table of this run.")] = None,
    overrides: Sets = None,
) -> None:
    """Read the annotations, open every video, count and list; exit code 2 if anything is wrong."""
    from flows.check_data import check_files
    from flows.data import check_enough, load_data
    from flows.progress import StageProgress
    from storage.files import Files

    settings, console = load_config(config, overrides), terminal()
    reporting = settings.data.model_copy(update={"on_bad_row": "report"})  # all that is wrong, not the first
    files = Files(run_dir) if run_dir else None
    data = load_data(files, settings.model_copy(update={"data": reporting}))
    with StageProgress(console, "check-data") as progress:
        found = check_files(data, progress, timeout_seconds=settings.video.timeout_seconds)
    _print(found, settings, console)
    _stop_if_wrong(found, settings)
    check_enough(data, settings)
    if files:
        _write(files, found, console)
    typer.echo("nothing else is wrong" if data.rejected else "nothing is wrong")


def _print(found: Checked, settings: RunConfig, console: Console) -> None:
    from flows.check_data import DURATIONS, NO_VIDEO, NOT_OPENED
    from flows.tables import narrow

    counts, table = found.counts(), narrow("Samples")
    lengths = [name for name in (*DURATIONS, NO_VIDEO, NOT_OPENED) if any(name == length for *_, length in counts)]
    for name in ("split", "problem type"):
        table.add_column(name)
    for name in (*lengths, "all"):
        table.add_column(name, justify="right")
    for split, kind in sorted({(split, kind) for split, kind, _ in counts}):
        row = [counts[split, kind, length] for length in lengths]
        table.add_row(split, kind, *map(str, (*row, sum(row))))
    console.print(table)
    files = [f"{num} {modality}s" for modality, num in found.num_files().items() if num]
    hours = sum(found.seconds.values()) / 3600
    samples = f"{len(found.data.samples)} samples of {' and '.join(files) or 'no files'}"
    typer.echo(f"{settings.data.name}: {samples}, {hours:.2f} hours")
    for name, count in sorted(found.oddities.items()):
        typer.echo(f"odd, and kept: {count} {name}")
    for line in (*found.data.rejected, *found.broken_files, *found.misplaced):
        typer.echo(f"wrong: {line}")


def _stop_if_wrong(found: Checked, settings: RunConfig) -> None:
    """UserError for files, spans, parts and, unless they are to be reported, rows: a run would refuse or drop them."""
    rows = len(found.data.rejected) if settings.data.on_bad_row == "error" else 0
    wrong = rows + len(found.broken_files) + len(found.misplaced)
    if wrong:
        raise UserError(
            f"{wrong} wrong: {rows} rows, {len(found.broken_files)} files, {len(found.misplaced)} spans or parts; "
            "mend what is listed above" + (", or go on without the rows: data.on_bad_row = report" if rows else "")
        )


def _write(files: Files, found: Checked, console: Console) -> None:
    """The sample table of the run, with its videos' digests, so that the run need not read them again."""
    from flows.progress import StageProgress
    from storage.layout import samples_table
    from storage.lock import run_lock
    from storage.run import Run, missing_part, same_run
    from storage.samples import write_rejected, write_samples

    data = found.data
    with run_lock(files), StageProgress(console, "sample table") as progress:
        if not missing_part(files):
            held = Run.open(files.url).identity
            same_run(files.url, held, dataclasses.replace(held, data=data.digest))
        write_rejected(files, data.digest, data.rejected)
        write_samples(files, data.digest, data.samples, progress)
    typer.echo(f"sample table: {files.full(samples_table(data.digest))}")
