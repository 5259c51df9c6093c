"""A column of a benchmark's table: a score, averaged over some samples, or over tasks that count alike."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from stages.metrics.scores import Score, accuracy
from storage.records import Sample

Field = Literal["task_level", "domain", "duration_group", "category", "problem_type"]


@dataclass(frozen=True)
class Part:
    """Samples whose fields have one of these values, and the weight of their mean; all samples by default."""

    where: tuple[tuple[Field, tuple[str, ...]], ...] = ()
    weight: float = 1.0

    def holds(self, sample: Sample) -> bool:
        """Whether the sample is one of them."""
        return all(getattr(sample, name) in values for name, values in self.where)


@dataclass(frozen=True)
class Column:
    """`title` as the paper prints it; the value is the weighted mean of the means of `parts`."""

    title: str
    score: Score = accuracy
    parts: tuple[Part, ...] = (Part(),)


def by(
    field: Field,
    samples: Iterable[Sample],
    titles: Mapping[str, str] | None = None,
    within: tuple[tuple[Field, tuple[str, ...]], ...] = (),
) -> list[Column]:
    """Accuracy by a field's values: those of `titles` in its order and words, then any other, so that none is left out.

    within: only samples with these values, e.g. of one level.
    """
    titles = titles or {}
    found = values_of(field, (sample for sample in samples if Part(within).holds(sample)))
    ordered = [value for value in titles if value in found] + [value for value in found if value not in titles]
    return [Column(titles.get(value, value), parts=(Part((*within, (field, (value,)))),)) for value in ordered]


def macro(title: str, field: Field, samples: Iterable[Sample]) -> Column:
    """Accuracy averaged over a field's values, each of which counts alike."""
    parts = (Part(((field, (value,)),)) for value in values_of(field, samples))
    return Column(title, parts=tuple(parts) or (Part(),))


def values_of(field: Field, samples: Iterable[Sample]) -> Sequence[str]:
    """The values of a field, sorted; samples without one have none."""
    return sorted({value for sample in samples if (value := getattr(sample, field)) is not None})
