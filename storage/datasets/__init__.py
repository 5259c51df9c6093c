"""Adapters: a benchmark's files on disk become `Sample` records."""

from __future__ import annotations

from pathlib import Path

from storage.datasets import shapes
from storage.errors import UserError
from storage.records import Sample

ADAPTERS = {"shapes": shapes.load}


def load(name: str, **paths: Path) -> list[Sample]:
    """The samples of data set `name`, from its annotations alone; `paths` are the adapter's own arguments.

    `load("shapes", root=folder)` reads what `shapes.generate` wrote. UserError for a name that no adapter has.
    """
    if name not in ADAPTERS:
        raise UserError(f"{name}: no such data set; there are: {', '.join(ADAPTERS)}")
    return ADAPTERS[name](**paths)
