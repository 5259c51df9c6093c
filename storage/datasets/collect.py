"""Records become samples: the loop that every adapter shares."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from storage.datasets.options import LETTERS
from storage.datasets.rows import BadRow, Loaded, OnBadRow, Place, bad
from storage.records import Sample

Converted = tuple[Sample, list[str]]
"""A sample and the names of what is odd about it; a name that is there twice counts twice."""


def collect(
    records: Iterable[tuple[Place, Any]], convert: Callable[[Any, Place], Converted], on_bad_row: OnBadRow
) -> Loaded:
    """Each record as the sample that `convert` makes of it, in order.

    A bad one, or one with the id of another, raises or is reported, as `on_bad_row` says.
    """
    loaded, seen = Loaded(), set[str]()
    for place, values in records:
        try:
            if isinstance(values, BadRow):
                raise values
            sample, odd = convert(values, place)
            if sample.sample_id in seen:
                raise bad(*place, "sample_id", sample.sample_id, "no row before it has this id")
        except BadRow as error:
            if on_bad_row == "error":
                raise
            loaded.rejected.append(error.rejected)
            continue
        seen.add(sample.sample_id)
        loaded.samples.append(sample)
        loaded.oddities.update([*odd, *_odd_options(sample)])
    return loaded


def _odd_options(sample: Sample) -> Iterator[str]:
    if len(set(sample.options)) < len(sample.options):
        yield "duplicate_options"
        if sample.options.count(sample.options[LETTERS.index(sample.answer)]) > 1:
            yield "ambiguous_answer"
