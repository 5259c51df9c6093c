"""The data set of a run: made here, or read by the adapters that the settings name."""

from __future__ import annotations

import dataclasses
import inspect
import os
import tempfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_type_hints

from pydantic import TypeAdapter, ValidationError

from flows.config import DataConfig, RunConfig
from storage import layout
from storage.datasets import ADAPTERS, read, shapes
from storage.datasets.rows import Loaded
from storage.digest import derive_seed, sha256_value
from storage.errors import UserError
from storage.files import Files
from storage.records import Rejected, Sample
from storage.samples import data_digest

MADE = "shapes"


@dataclass(frozen=True)
class Data:
    """The samples of both splits, the rows that became none, oddities by name. root: a folder above every file."""

    samples: list[Sample]
    rejected: list[Rejected]
    oddities: Counter[str]
    root: Path

    def split(self, name: str) -> list[Sample]:
        """The samples of one split, in the data set's order."""
        return [sample for sample in self.samples if sample.split == name]

    @property
    def digest(self) -> str:
        """What the data set is in a run's identity; the place of its root is no part of it."""
        return data_digest(self.samples, self.root)


def load_data(files: Files | None, config: RunConfig) -> Data:
    """Reads the annotations, or makes the embedded data set in the run of `files`, if there is one; opens no video.

    UserError for settings that do not fit the adapter, a bad row (unless it is to be reported), an id that training and
    validation share, or a validation share of data that has its validation samples already.
    """
    check_data_settings(config.data)
    if config.data.name == MADE:
        root = _made_root(files, config)
        numbers = {"num_train": config.data.num_train, "num_validation": config.data.num_validation}
        shapes.generate(root, seed=config.seed, **numbers)
        return Data(shapes.load(root), [], Counter(), root)
    parts = [
        read(source[1], on_bad_row=config.data.on_bad_row, **_arguments(*source)) for source in _sources(config.data)
    ]
    samples = _distinct(parts)
    root = _root(samples)
    if config.data.validation_share:
        samples = _with_validation(samples, root, config)
    oddities = sum((part.oddities for part in parts), Counter[str]())
    return Data(samples, [row for part in parts for row in part.rejected], oddities, root)


def check_enough(data: Data, config: RunConfig) -> None:
    """UserError if `data` is too little to train and evaluate on."""
    wanted, found = config.select.samples_per_round, len(data.split("train"))
    if wanted > found:
        raise UserError(
            f"select.samples_per_round is {wanted}, but {config.data.name} has {found} training samples: "
            "a round holds each sample at most once; ask for fewer, or give more data"
        )
    if not data.split("validation"):
        raise UserError(
            f"{config.data.name} has no validation sample, and a run evaluates on some: give rows of that split, "
            "other files in data.validation, or a data.validation_share above 0"
        )


def check_data_settings(data: DataConfig) -> None:
    """UserError, naming the setting, for an argument that an adapter lacks or does not take, or a file not there."""
    if data.name == MADE and (data.paths or data.validation or data.validation_share):
        raise UserError(
            f"data.name is {MADE}, which is made here with its own validation samples: leave data.paths, "
            "data.validation and data.validation_share out, or give another data.name, such as jsonl"
        )
    for source in _sources(data):
        _arguments(*source)


def _arguments(setting: str, name: str, given: dict[str, str]) -> dict[str, Any]:
    """The adapter's arguments in its own types; UserError as `check_data_settings` says."""
    if name == MADE:
        raise UserError(f"{setting}: {MADE} has no files; give another data.validation.name")
    adapter = ADAPTERS[name]
    takes = {p.name: p for p in inspect.signature(adapter).parameters.values() if p.name != "on_bad_row"}
    hints = get_type_hints(adapter)
    for missing in (p.name for p in takes.values() if p.default is p.empty and p.name not in given):
        raise UserError(f"{setting}.{missing} is missing; {name} takes {', '.join(takes)}")
    values = dict[str, Any]()
    for argument, text in given.items():
        if argument not in takes:
            raise UserError(f"{setting}.{argument}: {name} takes no such thing, but {', '.join(takes)}")
        try:
            values[argument] = TypeAdapter(hints[argument]).validate_python(text)
        except ValidationError as error:
            raise UserError(f"{setting}.{argument} is {text!r}: {error.errors()[0]['msg'].lower()}") from error
        if isinstance(values[argument], Path) and not values[argument].exists():
            raise UserError(f"{setting}.{argument}: {text} is not there; give an existing file or folder")
    return values


def _sources(data: DataConfig) -> Iterator[tuple[str, str, dict[str, str]]]:
    """Setting, adapter and arguments of each part of the data; nothing of what is made here."""
    if data.name != MADE:
        yield "data.paths", data.name, data.paths
    if data.validation:
        yield "data.validation.paths", data.validation.name or data.name, data.validation.paths


def _made_root(files: Files | None, config: RunConfig) -> Path:
    """Where the embedded data set is made: in the run's folder, or on this machine's own disk if it has none."""
    if files and files.is_local:
        return Path(files.full(layout.DATA))
    made_from = sha256_value([shapes.VERSION, config.seed, config.data.model_dump()])
    return Path(tempfile.gettempdir()) / "deepvideo-data" / made_from[:16]


def _distinct(parts: list[Loaded]) -> list[Sample]:
    """The samples of all parts; those of a second one validate."""
    first, *others = (part.samples for part in parts)
    samples = first + [dataclasses.replace(sample, split="validation") for part in others for sample in part]
    for sample_id, times in Counter(sample.sample_id for sample in samples).items():
        if times > 1:
            raise UserError(f"{sample_id}: is in data.paths and in data.validation.paths; give it another id in one")
    return samples


def _root(samples: list[Sample]) -> Path:
    """The deepest folder that holds every video and image."""
    folders = [Path(path).parent for sample in samples for path in sample.media.paths]
    return Path(os.path.commonpath(folders or [Path.cwd()]))


def _with_validation(samples: list[Sample], root: Path, config: RunConfig) -> list[Sample]:
    """`samples`, of which those of a share of the videos validate: the first ones of a seeded order."""
    if any(sample.split == "validation" for sample in samples):
        raise UserError(
            f"data.validation_share is {config.data.validation_share}, but {config.data.name} has validation samples "
            "of its own; set it to 0, or leave their split out"
        )
    videos = {sample.media.paths[0] for sample in samples}
    order = sorted(videos, key=lambda v: derive_seed(config.seed, "validation", os.path.relpath(v, root)))
    chosen = set(order[: max(1, round(len(order) * config.data.validation_share))])
    return [
        dataclasses.replace(sample, split="validation") if sample.media.paths[0] in chosen else sample
        for sample in samples
    ]
