"""The floor of the embedded benchmark: what somebody earns who knows the questions but not the videos."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from embedded_measure import Graded

from stages.rewards import grade
from storage.datasets.shapes_question import MAX_COUNT, PART_SECONDS, SPANS, span_text
from storage.datasets.shapes_scene import COLOURS, DIRECTIONS, PARTS, SHAPES
from storage.records import Sample

NUMBERS = tuple(str(number) for number in range(2, MAX_COUNT + 1))


def plausible(sample: Sample) -> tuple[str, ...]:
    """Every answer that the question may have: its letters, the words of its kind, the counts, the spans."""
    if sample.problem_type == "multiple_choice":
        return tuple("ABCDEFGH"[: len(sample.options)])
    if sample.problem_type == "number":
        return NUMBERS
    if sample.problem_type == "temporal_grounding":
        return HIDDEN if "hidden" in sample.question else VISIBLE
    (words,) = [names for names in (COLOURS, SHAPES, DIRECTIONS) if sample.answer in names]
    return tuple(words)


def chance(samples: Sequence[Sample]) -> list[Graded]:
    """The expected grades of a uniformly random plausible answer in the right format: computed over all of them."""
    rows = []
    for sample in samples:
        grades = [_graded(sample, answer) for answer in plausible(sample)]
        ious = [row.iou for row in grades if row.iou is not None]
        mean = {name: float(np.mean([getattr(row, name) for row in grades])) for name in ("reward", "accuracy")}
        iou = float(np.mean(ious)) if ious else None
        rows.append(Graded(sample.sample_id, str(sample.task_level), sample.problem_type, **mean, format=1.0, iou=iou))
    return rows


def random_answers(samples: Sequence[Sample], rng: np.random.Generator, repeats: int = 8) -> list[Graded]:
    """`repeats` random plausible answers to each sample, graded."""
    return [
        _graded(sample, answers[int(rng.integers(len(answers)))])
        for sample in samples
        for answers in [plausible(sample)]
        for _ in range(repeats)
    ]


def _graded(sample: Sample, answer: str) -> Graded:
    reward = grade(f"<think></think><answer>{answer}</answer>", sample)
    known = (sample.sample_id, str(sample.task_level), sample.problem_type)
    return Graded(*known, reward.total, reward.accuracy, reward.format, reward.iou)


def _parts(first: int, last: int) -> tuple[float, float]:
    return PART_SECONDS * first, PART_SECONDS * (last + 1)


VISIBLE = tuple(span_text(_parts(first, last)) for first, last in SPANS)
HIDDEN = tuple(
    span_text(*(_parts(i, j) for i, j in ((0, first - 1), (last + 1, len(PARTS) - 1)) if i <= j))
    for first, last in SPANS
)
