"""The sample table of a run: every sample with the digests of what it shows, written once when the run begins.

The digest of the annotations is part of the run's identity, so a changed data set is noticed; the digest of each video
and image is checked whenever it is read.
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable, Sequence
from pathlib import Path

from storage import layout, schema, shards
from storage.digest import sha256_file, sha256_value
from storage.errors import DamagedRun, UserError
from storage.files import Files
from storage.parallel import in_threads
from storage.records import Rejected, Sample


def data_digest(samples: Sequence[Sample], root: Path) -> str:
    """Digest of all annotations; files count by their path relative to the data's `root`, wherever that is."""

    def below(path: str | None) -> str | None:
        return None if path is None else os.path.relpath(path, root)

    rows = [
        dataclasses.asdict(
            dataclasses.replace(
                sample,
                video_path=below(sample.video_path),
                video_sha256=None,
                image_path=below(sample.image_path),
                image_sha256=None,
            )
        )
        for sample in samples
    ]
    return sha256_value(sorted(rows, key=lambda row: str(row["sample_id"])))


def write_samples(
    files: Files, digest: str, samples: Sequence[Sample], progress: Callable[[str, int, int], None]
) -> None:
    """Hashes every video and image and writes the sample table, unless it is there. An unreadable file has no digest.

    Paths inside the run are stored relative to it. Raises UserError for a sample that shows nothing.
    """
    if files.exists(layout.samples_table(digest)):
        return
    for sample in samples:
        if not sample.media.paths:
            raise UserError(f"sample {sample.sample_id}: has neither a video nor an image; give it one, or take it out")
    paths = list(dict.fromkeys(path for sample in samples for path in sample.media.paths))
    found: dict[str | None, str | None] = {}
    with in_threads(_hashed, paths) as hashed:
        for path, sha256 in zip(paths, hashed, strict=True):
            found[path] = sha256
            progress("hash files", len(found), len(paths))
    rows = [
        dataclasses.replace(
            sample,
            video_path=sample.video_path and stored_path(files, sample.video_path),
            video_sha256=found.get(sample.video_path),
            image_path=sample.image_path and stored_path(files, sample.image_path),
            image_sha256=found.get(sample.image_path),
        )
        for sample in samples
    ]
    files.create(layout.samples_table(digest), shards.parquet_bytes("samples", rows))


def write_rejected(files: Files, digest: str, rejected: Sequence[Rejected]) -> None:
    """Writes the annotation rows that became no sample beside the sample table, once, if there are any."""
    if rejected:
        files.create(layout.rejected_table(digest), shards.parquet_bytes("rejected", rejected))


def read_samples(files: Files, digest: str) -> list[Sample]:
    """The samples of the run, in the data set's order; DamagedRun if their table cannot be read."""
    path = layout.samples_table(digest)
    try:
        return schema.from_table(Sample, shards.parquet_table(files.read(path)))
    except (OSError, ValueError, KeyError) as error:
        raise DamagedRun(
            f"{files.full(path)}: not the sample table that was written ({error}); remove it: the next run writes it"
        ) from error


def stored_path(files: Files, path: str) -> str:
    """`path` as a table holds it: relative to the run if inside it, else absolute."""
    root = Path(files.full("")).resolve() if files.is_local else None
    resolved = Path(path).resolve()
    return resolved.relative_to(root).as_posix() if root and resolved.is_relative_to(root) else str(resolved)


def local_path(files: Files, path: str) -> Path:
    """A stored path as a file of this machine."""
    return Path(path) if Path(path).is_absolute() else files.local(path)


def _hashed(path: str) -> str | None:
    try:
        return sha256_file(path)
    except OSError:
        return None
