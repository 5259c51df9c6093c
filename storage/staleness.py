"""Which attempts are current: a question of recorded digests and settings, never of clocks.

An attempt is *current* if it is complete, was made with today's settings and version of its stage, and every input it
recorded has that same digest today. Of several such attempts (`--force`) the highest number counts.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from storage import layout
from storage.files import Files
from storage.shards import Manifest, attempt_places, read_failure, read_manifest

State = Literal["done", "stale", "failed", "unfinished", "missing"]


@dataclass(frozen=True)
class StageSettings:
    """What a stage's key holds besides its inputs; `Settings.stages` has one for each stage name."""

    version: int
    settings: dict[str, Any]


class Ledger:
    """Every attempt of a run, read once. `roots` are the digests of what no stage made: data and initial policy."""

    def __init__(self, files: Files, stages: Mapping[str, StageSettings], seed: int, roots: Mapping[str, str]) -> None:
        self._files, self._stages, self._seed, self._roots = files, stages, seed, dict(roots)
        self._complete: dict[str, list[Manifest]] = {}
        self._incomplete: dict[str, list[str]] = {}
        self._memo: dict[str, Manifest | None] = {}
        for address, key, number in attempt_places(files):
            folder = layout.attempt_folder(address, key, number)
            if files.exists(f"{folder}/{layout.MANIFEST}"):
                self._complete.setdefault(address, []).append(read_manifest(files, folder))
            else:
                self._incomplete.setdefault(address, []).append(folder)

    def add(self, manifest: Manifest) -> None:
        """Takes note of an attempt that has just been completed; nothing of an earlier round is made from it."""
        self._complete.setdefault(manifest.address, []).append(manifest)
        this_round = manifest.address.split("/")[0]
        self._memo = {address: found for address, found in self._memo.items() if address < this_round}

    def addresses(self) -> list[str]:
        """Every address that has an attempt, complete or not, in order."""
        return sorted({*self._complete, *self._incomplete})

    def manifests(self) -> list[Manifest]:
        """Every complete attempt, by address and number."""
        return [
            m for address in sorted(self._complete) for m in sorted(self._complete[address], key=lambda m: m.number)
        ]

    def current(self, address: str) -> Manifest | None:
        """The current attempt of one stage of one round, if there is one."""
        if address not in self._memo:
            self._memo[address] = None  # an input that leads back to itself is never current
            valid = [m for m in self._complete.get(address, []) if self._is_valid(m)]
            self._memo[address] = max(valid, key=lambda m: m.number, default=None)
        return self._memo[address]

    def _is_valid(self, manifest: Manifest) -> bool:
        stage = self._stages.get(manifest.address.split("/")[1])
        if stage is None or (manifest.version, manifest.settings) != (stage.version, stage.settings):
            return False
        return manifest.seed == self._seed and all(self.digest(name) == d for name, d in manifest.inputs.items())

    def digest(self, name: str) -> str | None:
        """Today's digest of an input: a root, or the current attempt at an address."""
        if name in self._roots:
            return self._roots[name]
        manifest = self.current(name)
        return manifest.digest if manifest else None

    def state(self, address: str, key: str | None = None) -> tuple[State, str]:
        """The state of one stage of one round, and for a failed one the reason.

        key: today's key of the stage; what was tried under other keys, with other settings or inputs, says nothing
            about it. Without one every attempt counts.
        """
        if self.current(address):
            return "done", ""
        for folder in self._tried(address, key):
            notes = [name for name in self._files.names(folder) if name.startswith(layout.FAILURE)]
            if notes:
                return "failed", read_failure(self._files, f"{folder}/{notes[-1]}")
            return "unfinished", ""
        return ("stale", "") if address in self._complete else ("missing", "")

    def committed_shards(self, address: str, key: str | None = None) -> int:
        """How many shards the latest incomplete attempt has; 0 if there is none."""
        folder = self.unfinished(address, key)
        return sum(name.startswith("shard-") for name in self._files.names(folder)) if folder else 0

    def unfinished(self, address: str, key: str | None = None) -> str | None:
        """The folder of the latest incomplete attempt."""
        return next(iter(self._tried(address, key)), None)

    def _tried(self, address: str, key: str | None) -> list[str]:
        """Folders of incomplete attempts, the latest number first."""
        folders = self._incomplete.get(address, [])
        if key is not None:
            folders = [folder for folder in folders if folder.split("/")[-2] == key]
        return sorted(folders, key=lambda folder: int(folder.rsplit("/", 1)[1]), reverse=True)

    def next_number(self, address: str, key: str, *, force: bool) -> int:
        """The number under which an attempt at `key` continues or starts; forced, one above every complete attempt."""
        complete = [m.number for m in self._complete.get(address, []) if m.key == key]
        numbers = [int(n) for n in self._files.names(f"{layout.stage_folder(address)}/{key}")]
        started = [n for n in numbers if n not in complete]
        if started:
            return max(started)
        return max(complete, default=-1) + 1 if force else max(complete, default=0)
