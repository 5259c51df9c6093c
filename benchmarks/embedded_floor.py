"""The floor of the embedded benchmark: what somebody earns who knows the questions but not the videos."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from embedded_measure import Graded

from stages.rewards import grade
from storage.datasets.shapes_answers import plausible
from storage.records import Sample


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
