"""A run: its identity, its settings over time, its ledger of attempts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from storage import layout, schema, shards
from storage.digest import sha256_value
from storage.errors import DamagedRun, UserError
from storage.files import Files
from storage.seal import sealed, unsealed
from storage.shards import Attempt, Manifest
from storage.staleness import Ledger, StageSettings


@dataclass(frozen=True)
class Identity:
    """What a run is. Another value of any field is another run: it belongs in another directory."""

    data: str
    initial_policy: str
    seed: int

    @property
    def run_id(self) -> str:
        """A short name that depends on the identity alone."""
        return sha256_value([self.data, self.initial_policy, self.seed])[:12]


@dataclass(frozen=True)
class Settings:
    """The resolved settings of a run: the whole configuration, and of each stage the part that its key holds."""

    config: dict[str, Any]
    stages: dict[str, StageSettings]


class Run:
    """An open run. `Run.create` starts or continues one, `Run.open` reads one that exists."""

    def __init__(self, files: Files, identity: Identity, settings: Settings) -> None:
        self.files, self.identity, self.settings = files, identity, settings
        self.ledger = self._ledger(settings)

    def _ledger(self, settings: Settings) -> Ledger:
        roots = {"data": self.identity.data, "initial_policy": self.identity.initial_policy}
        return Ledger(self.files, settings.stages, self.identity.seed, roots)

    @classmethod
    def open(cls, url: str) -> Run:
        """The run at `url`; UserError if there is none."""
        files = Files(url)
        missing = missing_part(files)
        if missing:
            raise UserError(f"{url}: no run is there ({missing} is missing); start one with: deepvideo run CONFIG")
        return cls(files, _read_identity(files), _read_settings(files))

    @classmethod
    def create(cls, url: str, identity: Identity, settings: Settings, *, accept_changes: bool = False) -> Run:
        """Starts or continues the run at `url`.

        UserError if it holds a run of another identity, or if changed settings would make completed stages stale and
        `accept_changes` is not given; the message lists them.
        """
        files = Files(url)
        settings = decode_settings(_encode(settings))  # as every later process reads them: JSON has no tuples
        for table in schema.TABLES:
            if not files.exists(layout.empty_table(table)):
                files.create(layout.empty_table(table), shards.parquet_bytes(table, []))
        files.create(layout.IDENTITY, sealed(vars(identity)))
        found = _read_identity(files)
        same_run(url, found, identity)
        if not files.names(layout.SETTINGS):
            files.create_next(f"{layout.SETTINGS}/", _encode(settings))
            return cls(files, identity, settings)
        run = cls(files, identity, _read_settings(files))
        if run.settings != settings:
            lost = run.made_stale_by(settings)
            if lost and not accept_changes:
                raise UserError(
                    f"{url}: changed settings make {len(lost)} completed stages stale ({', '.join(lost)}); "
                    "repeat with --accept-changes to redo them, or restore the settings"
                )
            files.create_next(f"{layout.SETTINGS}/", _encode(settings))
        return cls(files, identity, settings)

    def under(self, settings: Settings) -> Run:
        """The run as it would be under other settings; nothing is written."""
        return Run(self.files, self.identity, decode_settings(_encode(settings)))

    def made_stale_by(self, settings: Settings) -> list[str]:
        """The addresses that are current now and would not be under `settings`."""
        after = self.under(settings).ledger
        return [a for a in self.ledger.addresses() if self.ledger.current(a) and not after.current(a)]

    def key(self, address: str, inputs: Mapping[str, str]) -> str:
        """The key that the stage at `address` has with `inputs` (digests by name)."""
        stage = self.settings.stages[address.split("/")[1]]
        return shards.stage_key(address, stage.version, stage.settings, self.identity.seed, inputs)

    def attempt(self, address: str, inputs: Mapping[str, str], *, force: bool = False) -> Attempt:
        """The attempt at which the stage at `address` is to be done with `inputs` (digests by name)."""
        stage, seed, key = self.settings.stages[address.split("/")[1]], self.identity.seed, self.key(address, inputs)
        number = self.ledger.next_number(address, key, force=force)
        return Attempt(self.files, address, key, number, stage.version, stage.settings, seed, dict(inputs))

    def commit(self, attempt: Attempt, num_shards: int, versions: Mapping[str, str]) -> Manifest:
        """Completes an attempt and takes it into the ledger."""
        manifest = attempt.commit(num_shards, versions)
        self.ledger.add(manifest)
        return manifest


def missing_part(files: Files) -> str:
    """The first of what a run begins with that is not there, in the order it is written; empty if a run is there."""
    if not files.exists(layout.IDENTITY):
        return layout.IDENTITY
    return "" if files.names(layout.SETTINGS) else layout.SETTINGS


def same_run(url: str, found: Identity, wanted: Identity) -> None:
    """Raises UserError if the run that was found at `url` is not the one that is wanted there."""
    if found != wanted:
        changed = [name for name in vars(wanted) if getattr(wanted, name) != getattr(found, name)]
        raise UserError(
            f"{url}: holds another run (its {', '.join(changed)} differ); "
            "data, initial policy and seed are a run's identity: choose another --run-dir or restore them"
        )


def _read_identity(files: Files) -> Identity:
    try:
        return Identity(**unsealed(files.read(layout.IDENTITY)))
    except (ValueError, OSError) as error:
        raise DamagedRun(
            f"{files.full(layout.IDENTITY)}: not a run's identity ({error}); bring it back from a copy"
        ) from error


def _read_settings(files: Files) -> Settings:
    path = f"{layout.SETTINGS}/{files.names(layout.SETTINGS)[-1]}"
    try:
        return decode_settings(files.read(path))
    except ValueError as error:
        raise DamagedRun(
            f"{files.full(path)}: not the settings that were written ({error}); remove it: the settings before it, "
            "or those that the next run is given, count"
        ) from error


def _encode(settings: Settings) -> bytes:
    body = {"config": settings.config, "stages": {name: vars(value) for name, value in settings.stages.items()}}
    return sealed(body)


def decode_settings(data: bytes) -> Settings:
    """The settings in the bytes of their file; ValueError if they are not as written."""
    body = unsealed(data)
    return Settings(body["config"], {name: StageSettings(**value) for name, value in body["stages"].items()})
