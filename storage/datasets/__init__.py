"""Adapters: a benchmark's files on disk become `Sample` records."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from storage.datasets import (
    jsonl,
    longvideobench,
    mmvu,
    mvbench,
    nextgqa,
    seed_bench_r1,
    shapes,
    tempcompass,
    video_mme,
    video_mmmu,
    video_r1,
    vsi_bench,
)
from storage.datasets.rows import Loaded, OnBadRow
from storage.errors import UserError
from storage.records import Sample


def _shapes(root: Path, *, on_bad_row: OnBadRow) -> Loaded:
    return Loaded(shapes.load(root))  # the project's own file, of which no row is bad


ADAPTERS: dict[str, Callable[..., Loaded]] = {
    "shapes": _shapes,
    "jsonl": jsonl.read,
    "nextgqa": nextgqa.read,
    "seed_bench_r1": seed_bench_r1.read,
    "longvideobench": longvideobench.read,
    "video_r1": video_r1.read,
    "mvbench": mvbench.read,
    "tempcompass": tempcompass.read,
    "video_mme": video_mme.read,
    "vsi_bench": vsi_bench.read,
    "video_mmmu": video_mmmu.read,
    "mmvu": mmvu.read,
}


def read(name: str, *, on_bad_row: OnBadRow = "report", **paths: Any) -> Loaded:
    """The samples of data set `name`, its bad rows and its oddities, from the annotations alone.

    `paths` are the adapter's own arguments (docs/datasets.md). UserError for a name that no adapter has, and BadRow for
    the first bad row with `on_bad_row = "error"`.
    """
    if name not in ADAPTERS:
        raise UserError(f"{name}: no such data set; there are: {', '.join(ADAPTERS)}")
    return ADAPTERS[name](**paths, on_bad_row=on_bad_row)


def load(name: str, **paths: Any) -> list[Sample]:
    """The samples of data set `name`; a bad row raises BadRow, with file, line, field, value and rule."""
    return read(name, on_bad_row="error", **paths).samples
