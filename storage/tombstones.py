"""Tombstones: what `prune` removed. Each is written, create-only, before anything that it names is removed.

A tombstone covers a path for the attempts that named it then: an altered video that a later attempt makes anew is
needed again, and its absence is damage.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass

from storage import layout
from storage.errors import DamagedRun
from storage.files import Files
from storage.seal import sealed, unsealed


@dataclass(frozen=True)
class Grave:
    """One removed file. attempts: folders of the attempts that named it; when: UTC, ISO 8601; why: for a person."""

    path: str
    sha256: str
    bytes: int
    attempts: list[str]
    why: str
    when: str


def read_tombstones(files: Files) -> dict[str, Grave]:
    """The latest grave of every pruned path; DamagedRun for a tombstone that cannot be read as one."""
    graves: dict[str, Grave] = {}
    for name in files.names(layout.TOMBSTONES):
        graves |= {grave.path: grave for grave in read_tombstone(files, f"{layout.TOMBSTONES}/{name}")}
    return graves


def read_tombstone(files: Files, path: str) -> list[Grave]:
    """The graves that one tombstone lists; DamagedRun if it cannot be read as a tombstone."""
    try:
        return [Grave(**entry) for entry in unsealed(files.read(path))["removed"]]
    except ValueError as error:
        raise DamagedRun(f"{files.full(path)}: not a tombstone ({error}); restore it from a copy of the run") from error


def write_tombstone(files: Files, graves: Sequence[Grave]) -> str:
    """Writes the next tombstone and returns its path."""
    return files.create_next(f"{layout.TOMBSTONES}/", sealed({"removed": [asdict(grave) for grave in graves]}))
