"""Attempts, shards and manifests: how a stage's output becomes complete, once and for ever.

A stage cuts its work into a deterministic plan of shards. `Attempt.write` stores the tables of one shard under unique
names and then commits them with a create-only sidecar that holds their digests; a restart skips what is committed.
`Attempt.commit` ends the attempt with a create-only manifest, which lists the committed copy of each shard. Readers
open what the manifest lists, never a glob.
"""

from __future__ import annotations

import io
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

import pyarrow as pa
import pyarrow.parquet as pq

from storage import layout, schema
from storage.digest import KEY_LENGTH, sha256_bytes, sha256_file, sha256_value
from storage.errors import DamagedRun
from storage.files import Files
from storage.seal import sealed, unsealed

R = TypeVar("R")
_DENSE = {"engine_logprobs", "old_logps", "ref_logps"}  # nearly every value differs: a dictionary only costs


def stage_key(stage: str, version: int, settings: Mapping[str, Any], seed: int, inputs: Mapping[str, str]) -> str:
    """The key of a stage's output: a hash of what it depends on. `inputs` maps a name to a digest."""
    return sha256_value([stage, version, dict(settings), seed, dict(inputs)])[:KEY_LENGTH]


@dataclass(frozen=True)
class Manifest:
    """The record that one attempt is complete; `digest` covers the bytes of its output and nothing else."""

    address: str
    key: str
    number: int
    version: int
    settings: dict[str, Any]
    seed: int
    inputs: dict[str, str]
    shards: list[dict[str, dict[str, Any]]]
    files: dict[str, str]
    info: dict[str, Any]

    @property
    def folder(self) -> str:
        """The attempt's folder, relative to the run."""
        return layout.attempt_folder(self.address, self.key, self.number)

    @cached_property
    def digest(self) -> str:
        """Digest of the tables' and files' bytes: two attempts with identical output share it."""
        tables = [{name: part["sha256"] for name, part in shard.items()} for shard in self.shards]
        return sha256_value({"tables": tables, "files": self.files})

    def output_folder(self, name: str) -> str:
        """The folder of output `name` (checkpoint, optimizer), relative to the run."""
        return f"{self.folder}/{self.info[f'{name}_folder']}"

    def output_files(self) -> dict[str, str]:
        """The path, relative to the run, and SHA-256 of every file of every output."""
        split = ((path.partition("/"), sha256) for path, sha256 in self.files.items())
        return {f"{self.output_folder(name)}/{rest}": sha256 for (name, _, rest), sha256 in split}

    def table_files(self, table: str) -> list[str]:
        """The paths of one table's shards in order, relative to the run."""
        return [f"{self.folder}/{shard[table]['file']}" for shard in self.shards if table in shard]

    def rows(self, table: str) -> int:
        """The number of rows of one table."""
        return sum(shard[table]["rows"] for shard in self.shards if table in shard)

    @property
    def num_rows(self) -> int:
        """The number of rows of all tables."""
        return sum(part["rows"] for shard in self.shards for part in shard.values())


@dataclass
class Attempt:
    """One try at a stage's output. Its folder is `rounds/<round>/<stage>/<key>/<number>/`."""

    files: Files
    address: str
    key: str
    number: int
    version: int
    settings: dict[str, Any]
    seed: int
    inputs: dict[str, str]
    started: float = field(default_factory=time.monotonic)
    outputs: dict[str, str] = field(default_factory=dict)
    info: dict[str, Any] = field(default_factory=dict)

    @property
    def folder(self) -> str:
        """The attempt's folder, relative to the run."""
        return layout.attempt_folder(self.address, self.key, self.number)

    def committed(self, index: int) -> bool:
        """Whether shard `index` is complete."""
        return self.files.exists(f"{self.folder}/{layout.sidecar_name(index)}")

    def write(self, index: int, tables: Mapping[str, Sequence[Any]]) -> None:
        """Writes and commits shard `index`: records by table name. Of two writers the first one counts."""
        parts = {}
        for table, rows in tables.items():
            data = parquet_bytes(table, rows)
            name = f"{table}-{index:05d}-{uuid.uuid4().hex[:12]}.parquet"
            self.files.create(f"{self.folder}/{name}", data)
            parts[table] = {"file": name, "rows": len(rows), "bytes": len(data), "sha256": sha256_bytes(data)}
        self.files.create(f"{self.folder}/{layout.sidecar_name(index)}", sealed(parts))

    def shard(self, index: int) -> dict[str, dict[str, Any]]:
        """What shard `index` committed, by table; DamagedRun if its sidecar cannot be read as one."""
        path = f"{self.folder}/{layout.sidecar_name(index)}"
        try:
            return unsealed(self.files.read(path))
        except ValueError as error:
            raise DamagedRun(
                f"{self.files.full(path)}: not a shard's record ({error}); remove it and run again"
            ) from error

    def read_shard(self, record: type[R], table: str, index: int) -> list[R]:
        """The records of one table of a committed shard of this attempt."""
        part = self.shard(index)[table]
        return schema.from_table(record, _read(self.files, f"{self.folder}/{part['file']}", part["sha256"]))

    def add_folder(self, name: str, source: Path) -> str:
        """Moves the finished local folder `source` into the attempt as output `name`; returns its path in the run."""
        target = f"{name}-{uuid.uuid4().hex[:12]}"
        found = sorted(p for p in source.rglob("*") if p.is_file())
        self.outputs |= {f"{name}/{p.relative_to(source).as_posix()}": sha256_file(p) for p in found}
        self.info[f"{name}_folder"] = target
        self.files.create_folder(f"{self.folder}/{target}", source)
        return f"{self.folder}/{target}"

    def fail(self, reason: str) -> None:
        """Leaves the reason for which this attempt stopped; the latest one, by number, is the one shown."""
        self.files.create_next(f"{self.folder}/{layout.FAILURE}-", sealed({"reason": reason}))

    def commit(self, num_shards: int, versions: Mapping[str, str]) -> Manifest:
        """Ends the attempt: its manifest, listing shards 0 .. num_shards - 1, is written last and create-only."""
        self.info |= {"seconds": time.monotonic() - self.started, "ended": time.time(), "versions": dict(versions)}
        body = {
            "address": self.address,
            "key": self.key,
            "number": self.number,
            "version": self.version,
            "settings": self.settings,
            "seed": self.seed,
            "inputs": self.inputs,
            "schema_version": schema.SCHEMA_VERSION,
            "shards": [self.shard(i) for i in range(num_shards)],
            "files": self.outputs,
            "info": self.info,
        }
        self.files.create(f"{self.folder}/{layout.MANIFEST}", sealed(body))
        return read_manifest(self.files, self.folder)


def check_output(files: Files, manifest: Manifest, name: str) -> None:
    """Hashes every file of an attempt's output again; DamagedRun names the first one that is not what was committed."""
    for file, sha256 in manifest.output_files().items():
        if file.startswith(f"{manifest.output_folder(name)}/"):
            if not files.exists(file):
                raise DamagedRun(f"{files.full(file)}: is missing; redo its stage with --force")
            if files.digest(file)[0] != sha256:
                raise DamagedRun(
                    f"{files.full(file)}: its bytes differ from the committed digest; redo its stage with --force"
                )


def attempt_places(files: Files) -> Iterator[tuple[str, str, int]]:
    """Address, key and number of every attempt of a run, complete or not; what is no number is not the run's."""
    for round_name in filter(str.isdecimal, files.names(layout.ROUNDS)):
        for stage in files.names(f"{layout.ROUNDS}/{round_name}"):
            address = layout.address(int(round_name), stage)
            for key in files.names(layout.stage_folder(address)):
                for number in filter(str.isdecimal, files.names(f"{layout.stage_folder(address)}/{key}")):
                    yield address, key, int(number)


def read_manifest(files: Files, folder: str) -> Manifest:
    """The manifest of a complete attempt; DamagedRun if it cannot be read as one."""
    path = f"{folder}/{layout.MANIFEST}"
    try:
        body = unsealed(files.read(path))
    except ValueError as error:
        raise DamagedRun(
            f"{files.full(path)}: not a manifest ({error}); remove its attempt folder and run again"
        ) from error
    body.pop("schema_version")
    return Manifest(**body)


def read_failure(files: Files, path: str) -> str:
    """The reason that `Attempt.fail` left at `path`; DamagedRun if it cannot be read."""
    try:
        return str(unsealed(files.read(path))["reason"])
    except ValueError as error:
        raise DamagedRun(f"{files.full(path)}: not the reason of a failure ({error}); remove it") from error


def read_records(files: Files, record: type[R], table: str, manifest: Manifest) -> Iterator[R]:
    """The records of one table of a manifest, in order, a shard at a time; DamagedRun if a shard's bytes changed."""
    for rows in read_shards(files, record, table, manifest):
        yield from rows


def read_shards(files: Files, record: type[R], table: str, manifest: Manifest) -> Iterator[list[R]]:
    """The same, a list a shard; empty for a shard without that table."""
    for shard in manifest.shards:
        part = shard.get(table)
        path = f"{manifest.folder}/{part['file']}" if part else ""
        yield schema.from_table(record, _read(files, path, part["sha256"])) if part else []


def read_columns(files: Files, table: str, manifest: Manifest, columns: Sequence[str]) -> Iterator[pa.Table]:
    """Some columns of one table of a manifest, as an Arrow table a shard; DamagedRun if a shard's bytes changed."""
    for shard in manifest.shards:
        if table in shard:
            part = shard[table]
            yield _read(files, f"{manifest.folder}/{part['file']}", part["sha256"], columns)


def _read(files: Files, path: str, sha256: str, columns: Sequence[str] | None = None) -> Any:
    try:
        data = files.read(path)
    except FileNotFoundError as error:
        raise DamagedRun(f"{files.full(path)}: a committed shard is missing; redo its stage with --force") from error
    if sha256_bytes(data) != sha256:
        raise DamagedRun(f"{files.full(path)}: its bytes differ from the committed digest; redo its stage with --force")
    return parquet_table(data, columns)


def parquet_table(data: bytes, columns: Sequence[str] | None = None) -> Any:
    """The Arrow table in the bytes of a Parquet file; all its columns, or some."""
    return pq.read_table(io.BytesIO(data), columns=columns, page_checksum_verification=True)


def parquet_bytes(table: str, rows: Sequence[Any]) -> bytes:
    """One table as the bytes of a Parquet file; equal rows give equal bytes."""
    arrow = schema.to_table(schema.TABLES[table], rows)
    encoded = [name for name in arrow.column_names if name not in _DENSE]
    buffer = io.BytesIO()
    compression: dict[str, Any] = {"compression": "zstd", "compression_level": 3, "use_dictionary": encoded}
    pq.write_table(arrow, buffer, row_group_size=8192, write_page_checksum=True, **compression)
    return buffer.getvalue()
