"""Hashes a whole run again and names what is damaged. Needs no lock: what is not committed yet is nobody's damage."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from storage import layout, schema
from storage.digest import sha256_file
from storage.errors import DamagedRun, UserError
from storage.files import Files
from storage.inventory import Named, Recorded, altered_files, attempts
from storage.records import Rejected, Sample
from storage.run import Identity, decode_settings
from storage.samples import data_digest
from storage.schema import from_table
from storage.seal import unsealed
from storage.shards import parquet_bytes, parquet_table, stage_key
from storage.staleness import StageSettings
from storage.tombstones import Grave, read_tombstone, read_tombstones

FROM_A_COPY = "restore it from a copy of the run"


@dataclass(frozen=True)
class Damage:
    """One file that is not what the run's records say."""

    path: str
    problem: str
    remedy: str


@dataclass
class Count:
    """How much of one kind was checked."""

    files: int = 0
    bytes: int = 0
    seconds: float = 0.0


@dataclass
class Report:
    """What `verify` found. orphans: files that no record names, with their bytes; pruned: how many are gone rightly."""

    checked: dict[str, Count] = field(default_factory=dict)
    damages: list[Damage] = field(default_factory=list)
    orphans: dict[str, int] = field(default_factory=dict)
    pruned: int = 0
    elsewhere: int = 0


def verify(files: Files, progress: Callable[[str, int, int], None]) -> Report:
    """Checks every record, table, output and video of the run; UserError if there is no run."""
    if not files.exists(layout.IDENTITY) and not files.exists(layout.ROUNDS):
        raise UserError(f"{files.url}: no run is there ({layout.IDENTITY} is missing); give the --run-dir of one")
    return _Verification(files, progress).run()


class _Verification:
    def __init__(self, files: Files, progress: Callable[[str, int, int], None]) -> None:
        self.files, self.progress, self.report = files, progress, Report()
        self.identity: Identity | None = None
        self.settings: list[dict[str, StageSettings]] = []

    def run(self) -> Report:
        there = [path for folder in (layout.ROUNDS, layout.VIDEOS, ".scratch") for path in self.files.walk(folder)]
        found = list(attempts(self.files))
        self._count("records", self._records())
        self._count("records", (path for attempt in found for path in self._attempt(attempt)))
        self._check("tables", [(named, _redo(a, named)) for a in found for named in a.shards])
        self._check("checkpoints", [(named, _redo(a, named)) for a in found for named in a.outputs])
        self._check("altered videos", self._altered(found))
        self._count("samples", self._samples())
        self._orphans(there)
        return self.report

    def _damage(self, path: str, problem: str, remedy: str) -> None:
        self.report.damages.append(Damage(path, problem, remedy))

    def _count(self, kind: str, paths: Iterable[str]) -> None:
        """Counts the small files that a check has read."""
        start, count = time.monotonic(), self.report.checked.setdefault(kind, Count())
        for path in paths:
            count.files += 1
            try:
                count.bytes += len(self.files.read(path))
            except FileNotFoundError:
                self._damage(path, "is missing", FROM_A_COPY)
        count.seconds += time.monotonic() - start

    def _records(self) -> Iterable[str]:
        """The identity, every version of the settings, the tombstones, the empty tables."""
        yield layout.IDENTITY
        try:
            self.identity = Identity(**unsealed(self.files.read(layout.IDENTITY)))
        except FileNotFoundError:
            pass  # the count says so
        except ValueError as error:
            self._damage(layout.IDENTITY, f"not an identity ({error})", FROM_A_COPY)
        names = self.files.names(layout.SETTINGS)
        if not names:
            self._damage(layout.SETTINGS, "holds no settings", FROM_A_COPY)
        for name in names:
            path = f"{layout.SETTINGS}/{name}"
            yield path
            try:
                self.settings.append(decode_settings(self.files.read(path)).stages)
            except ValueError as error:
                self._damage(path, f"not the settings that were written ({error})", FROM_A_COPY)
        for name in self.files.names(layout.TOMBSTONES):
            path = f"{layout.TOMBSTONES}/{name}"
            yield path
            try:
                read_tombstone(self.files, path)
            except DamagedRun:
                self._damage(path, "not a tombstone", FROM_A_COPY)
        for table in schema.TABLES:
            path = layout.empty_table(table)
            yield path
            remedy = "remove it; `deepvideo run` writes it again"
            try:
                self._rewritten(path, table, parquet_table(self.files.read(path)), [], remedy)
            except FileNotFoundError:
                pass
            except (ValueError, OSError):
                self._damage(path, "not a Parquet file", remedy)

    def _rewritten(self, path: str, table: str, arrow: Any, rows: list[Any], remedy: str) -> None:
        """A table that no record has a digest of must have the bytes that its rows are written as."""
        again = parquet_bytes(table, rows)
        data = self.files.read(path)
        if not schema.schema(schema.TABLES[table]).equals(arrow.schema):
            self._damage(path, "its columns are not those of the table", remedy)
        elif len(again) == len(data) and again != data:  # another pyarrow may write another length
            self._damage(path, "its bytes are not those that its rows are written as", remedy)

    def _attempt(self, attempt: Recorded) -> Iterable[str]:
        """The records of one attempt: they parse, fit their place, and the key can be computed from what it hashes."""
        yield from attempt.records
        redo = f"remove {attempt.folder} and run again"
        for path, problem in attempt.problems.items():
            self._damage(path, problem, redo if path.endswith(layout.MANIFEST) else f"remove {path}, then verify again")
        manifest = attempt.manifest
        if manifest is None:
            return
        path = f"{attempt.folder}/{layout.MANIFEST}"
        key = stage_key(manifest.address, manifest.version, manifest.settings, manifest.seed, manifest.inputs)
        known = [stages.get(attempt.stage) for stages in self.settings]
        if manifest.folder != attempt.folder:
            self._damage(path, f"says that it is {manifest.folder}", redo)
        elif key != manifest.key:
            self._damage(path, f"its contents have the key {key}", redo)
        elif self.identity and manifest.seed != self.identity.seed:
            self._damage(layout.IDENTITY, f"its seed is not that of {path}", FROM_A_COPY)
        elif self.settings and StageSettings(manifest.version, manifest.settings) not in known:
            self._damage(layout.SETTINGS, f"no settings file holds those of {path}", FROM_A_COPY)

    def _check(self, kind: str, expected: list[tuple[Named, str]]) -> None:
        """Hashes files of one kind and compares them with the digests that were recorded."""
        start, count = time.monotonic(), self.report.checked.setdefault(kind, Count())
        for i, (named, remedy) in enumerate(expected):
            try:
                digest, num_bytes = self.files.digest(named.path)
            except FileNotFoundError:
                if self._grave(named) is None:
                    self._damage(named.path, "is missing", remedy)
                else:
                    self.report.pruned += 1
                continue
            count.files += 1
            count.bytes += num_bytes
            if digest != named.sha256:
                self._damage(named.path, "its bytes differ from the recorded digest", remedy)
            elif named.table == "selected":
                self._run_id(named)
            self.progress(f"hash {kind}", i + 1, len(expected))
        count.seconds += time.monotonic() - start

    def _run_id(self, named: Named) -> None:
        rows = parquet_table(self.files.read(named.path)).column("run_id").to_pylist()
        if self.identity and set(rows) - {self.identity.run_id}:
            self._damage(layout.IDENTITY, f"is the run {self.identity.run_id}, its tables are {rows[0]}", FROM_A_COPY)

    def _grave(self, named: Named) -> Grave | None:
        """The grave of a missing file; read now, since a `prune` may be at work beside this."""
        try:
            grave = read_tombstones(self.files).get(named.path)
        except DamagedRun:
            return None
        covered = grave is not None and (not named.table or set(named.table.split()) <= set(grave.attempts))
        return grave if covered else None

    def _altered(self, found: list[Recorded]) -> list[tuple[Named, str]]:
        """Each altered file that a table names, or that lies there; `table` holds the attempts that name it."""
        named: dict[str, tuple[str, list[Recorded]]] = {}
        for attempt in found:
            for path, sha256 in altered_files(self.files, attempt).items():
                named.setdefault(path, (sha256, []))[1].append(attempt)
        rows = []
        for path, (sha256, users) in sorted(named.items()):
            redo = f"remove it, then deepvideo stage augment --round {users[-1].round_index} --force"
            rows.append((Named(path, sha256, table=" ".join(user.folder for user in users)), redo))
            if path not in (layout.video_file(sha256), layout.image_file(sha256)):
                self._damage(path, f"its table says {sha256}", redo)
        for name in self.files.names(layout.VIDEOS):
            path = f"{layout.VIDEOS}/{name}"
            if path not in named:
                rows.append((Named(path, Path(name).stem), "remove it: no table names it"))
        return rows

    def _samples(self) -> Iterable[str]:
        """The sample table fits the identity, and each video and image of it has the recorded digest."""
        if self.identity is None:
            return
        path = layout.samples_table(self.identity.data)
        yield path
        try:
            arrow = parquet_table(self.files.read(path))
            samples = from_table(Sample, arrow)
        except FileNotFoundError:
            return  # the count says so
        except (ValueError, OSError, KeyError, TypeError) as error:
            self._damage(path, f"not a sample table ({type(error).__name__})", FROM_A_COPY)
            return
        if not any(data_digest(samples, root) == self.identity.data for root in _roots(samples)):
            self._damage(path, f"its samples are not those of {layout.IDENTITY}", FROM_A_COPY)
        else:
            self._rewritten(path, "samples", arrow, samples, FROM_A_COPY)
        yield from self._rejected(self.identity)
        start, count = time.monotonic(), self.report.checked.setdefault("sample videos", Count())
        for i, media in enumerate(sample.media for sample in samples):
            self._sample_file(media.video_path, media.video_sha256, count)
            self._sample_file(media.image_path, media.image_sha256, count)
            self.progress("hash sample videos", i + 1, len(samples))
        count.seconds += time.monotonic() - start

    def _rejected(self, identity: Identity) -> Iterable[str]:
        """The table of rejected rows, if there is one, has the bytes that its rows are written as."""
        path, remedy = layout.rejected_table(identity.data), "remove it; `deepvideo run` writes it again"
        if not self.files.exists(path):
            return
        yield path
        try:
            arrow = parquet_table(self.files.read(path))
            self._rewritten(path, "rejected", arrow, from_table(Rejected, arrow), remedy)
        except (ValueError, OSError, KeyError, TypeError) as error:
            self._damage(path, f"not a table of rejected rows ({type(error).__name__})", remedy)

    def _sample_file(self, path: str | None, sha256: str | None, count: Count) -> None:
        remedy = "restore the file; until then its sample is dropped"
        if path is None or sha256 is None:  # there is none, or it could not be read when the run began
            return
        try:
            digest, num_bytes = (
                (sha256_file(path), Path(path).stat().st_size) if Path(path).is_absolute() else self.files.digest(path)
            )
        except FileNotFoundError:
            if Path(path).is_absolute() and not self.files.is_local:
                self.report.elsewhere += 1
            else:
                self._damage(path, "is missing", remedy)
            return
        count.files += 1
        count.bytes += num_bytes
        if digest != sha256:
            self._damage(path, "its bytes differ from the digest in the sample table", remedy)

    def _orphans(self, there: list[str]) -> None:
        """Files seen at the start that no record names now, after every commit since."""
        found = list(attempts(self.files))
        named = {path for a in found for path in a.records} | {n.path for a in found for n in (*a.shards, *a.outputs)}
        named |= {path for attempt in found for path in altered_files(self.files, attempt)}
        sizes = {
            p: n for folder in (layout.ROUNDS, layout.VIDEOS, ".scratch") for p, n in self.files.walk(folder).items()
        }
        damaged = {damage.path for damage in self.report.damages}
        broken = [a.folder for a in found if f"{a.folder}/{layout.MANIFEST}" in a.problems]
        self.report.orphans = {
            path: sizes[path]
            for path in sorted({*there} & {*sizes} - named - damaged)
            if not any(path.startswith(f"{folder}/") for folder in broken)
        }


def _redo(attempt: Recorded, named: Named) -> str:
    if attempt.manifest is None:
        return f"remove {attempt.folder}/shard-*.json of this shard; `deepvideo run` makes it again"
    return f"deepvideo stage {attempt.stage} --round {attempt.round_index} --force"


def _roots(samples: list[Sample]) -> list[Path]:
    """Folders that the digest of the data may have taken as its root: those above what the first sample shows."""
    shown = [path for s in samples[:1] for path in (s.video_path, s.image_path) if path is not None]
    return list(dict.fromkeys(root for path in shown for root in Path(path).parents))
