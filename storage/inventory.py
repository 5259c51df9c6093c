"""What a run's own records say must be there: every attempt with the files that its manifest or sidecars name."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from storage import layout
from storage.errors import DamagedRun
from storage.files import Files
from storage.records import Kind
from storage.seal import unsealed
from storage.shards import Manifest, attempt_places, parquet_table, read_manifest

ALTERED: tuple[Kind, ...] = ("noise", "mask", "cue")
"""The augmentations that change what is shown."""


@dataclass(frozen=True)
class Named:
    """A file that a record names, with the digest that it must have; `table` of a shard, and its rows."""

    path: str
    sha256: str
    num_rows: int = 0
    table: str = ""


@dataclass
class Recorded:
    """One attempt as its records describe it; `problems` are records that cannot be right, with the reason."""

    folder: str
    manifest: Manifest | None = None
    shards: list[Named] = field(default_factory=list)
    outputs: list[Named] = field(default_factory=list)
    records: list[str] = field(default_factory=list)
    problems: dict[str, str] = field(default_factory=dict)

    @property
    def round_index(self) -> int:
        """The round of the attempt."""
        return int(self.folder.split("/")[1])

    @property
    def stage(self) -> str:
        """The stage of the attempt."""
        return self.folder.split("/")[2]


def attempts(files: Files) -> Iterator[Recorded]:
    """Every attempt of the run at `files`, complete or not."""
    for place in attempt_places(files):
        yield read_attempt(files, layout.attempt_folder(*place))


def read_attempt(files: Files, folder: str) -> Recorded:
    """One attempt; a record that cannot be read is one of its problems, not an error."""
    found = Recorded(folder)
    sidecars: dict[str, Any] = {}
    names = files.names(folder)
    for name in names:
        if name.endswith(".json") and name != layout.MANIFEST:
            _read_note(files, name, found, sidecars)
    if layout.MANIFEST not in names:
        return found
    path = f"{folder}/{layout.MANIFEST}"
    found.records.append(path)
    try:
        found.manifest = read_manifest(files, folder)
        found.shards = [named for shard in found.manifest.shards for named in _shards(folder, shard)]
        found.outputs = [Named(path, sha256) for path, sha256 in found.manifest.output_files().items()]
    except DamagedRun as error:
        found.problems[path] = f"not a manifest ({error.__cause__})"
        return found
    for index, shard in enumerate(found.manifest.shards):
        name = layout.sidecar_name(index)
        if name not in names and files.exists(f"{folder}/{name}"):  # it appeared while the folder was listed
            _read_note(files, name, Recorded(folder), sidecars)
        if f"{folder}/{name}" not in found.problems and sidecars.get(name) != shard:
            what = "differs from the manifest" if name in sidecars else "is missing"
            found.problems[f"{folder}/{name}"] = f"the sidecar {what}"
    return found


def _read_note(files: Files, name: str, found: Recorded, sidecars: dict[str, Any]) -> None:
    path = f"{found.folder}/{name}"
    found.records.append(path)
    try:
        body = unsealed(files.read(path))
        if not name.startswith(layout.FAILURE):
            found.shards += _shards(found.folder, body)
            sidecars[name] = body
    except ValueError as error:
        found.problems[path] = f"not a record ({error})"


def altered_files(files: Files, attempt: Recorded) -> dict[str, str]:
    """Path and SHA-256 of the altered videos and images that an attempt's augmentations name.

    Unreadable shards name none.
    """
    columns = ["kind", "altered_on_read", "video_path", "video_sha256", "image_path", "image_sha256"]
    found: dict[str, str] = {}
    for shard in attempt.shards:
        if shard.table == "augmentations":
            try:
                rows = parquet_table(files.read(shard.path)).select(columns).to_pylist()
            except (OSError, ValueError, KeyError):  # pyarrow's own are ValueErrors; `verify` names the shard itself
                continue
            own = [row for row in rows if row["kind"] in ALTERED and not row["altered_on_read"]]
            named = [(row["video_path"], row["video_sha256"]) for row in own]
            named += [(row["image_path"], row["image_sha256"]) for row in own if row["kind"] == "noise"]
            found |= {path: sha256 for path, sha256 in named if path is not None}
    return found


def _shards(folder: str, shard: dict[str, dict[str, Any]]) -> list[Named]:
    return [Named(f"{folder}/{part['file']}", part["sha256"], part["rows"], table) for table, part in shard.items()]
