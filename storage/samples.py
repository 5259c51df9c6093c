"""The sample table of a run: every sample with its video's digest, written once when the run begins.

The digest of the annotations is part of the run's identity, so a changed data set is noticed; the digest of each video
is checked whenever a stage reads it.
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable, Sequence
from pathlib import Path

from storage import layout, schema, shards
from storage.digest import sha256_file, sha256_value
from storage.errors import DamagedRun
from storage.files import Files
from storage.parallel import in_threads
from storage.records import Rejected, Sample


def data_digest(samples: Sequence[Sample], root: Path) -> str:
    """Digest of all annotations; files count by their path relative to the data's `root`, wherever that is."""
    rows = [
        dataclasses.asdict(
            dataclasses.replace(
                s,
                video_path=os.path.relpath(s.video_path, root),
                video_sha256=None,
                image_path=s.image_path and os.path.relpath(s.image_path, root),
            )
        )
        for s in samples
    ]
    return sha256_value(sorted(rows, key=lambda row: str(row["sample_id"])))


def write_samples(
    files: Files, digest: str, samples: Sequence[Sample], progress: Callable[[str, int, int], None]
) -> None:
    """Hashes every video and writes the sample table, unless it is there. An unreadable video has no digest.

    Paths inside the run are stored relative to it.
    """
    if files.exists(layout.samples_table(digest)):
        return
    videos = list(dict.fromkeys(sample.video_path for sample in samples))
    found: dict[str, str | None] = {}
    with in_threads(_hashed, videos) as hashed:
        for video, sha256 in zip(videos, hashed, strict=True):
            found[video] = sha256
            progress("hash videos", len(found), len(videos))
    rows = [
        dataclasses.replace(s, video_path=stored_path(files, s.video_path), video_sha256=found[s.video_path])
        for s in samples
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
