"""One policy on the embedded benchmark: its answers to test samples, graded, and their means by level."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from flows.config import RunConfig
from flows.session import make_engine
from stages.engine import Policy
from stages.evaluate import evaluate, to_evaluate
from stages.metrics.benchmarks import benchmark_of
from stages.rollout import Scene, as_in_the_data, roll_out, to_roll_out
from storage.datasets import load, shapes
from storage.probe import PROBE_FILE
from storage.records import Sample
from trainer.policy import load_processor

ALL = "all"
LEVELS = (*shapes.LEVELS, ALL)


@dataclass(frozen=True, slots=True)
class Graded:
    """A response's grades with its sample; iou is None where no span is asked for."""

    sample_id: str
    task_level: str
    problem_type: str
    reward: float
    accuracy: float
    format: float
    iou: float | None


@contextmanager
def test_samples(seed: int, number: int) -> Iterator[list[Sample]]:
    """The validation split of a run with `seed`: all three levels, in turn."""
    with tempfile.TemporaryDirectory() as folder:
        shapes.generate(Path(folder), seed=seed, num_train=0, num_validation=number)
        yield load("shapes", root=Path(folder))


@contextmanager
def policy_scene(config: RunConfig, checkpoint: Path, seed: int) -> Iterator[Scene]:
    """What the stages share, with an engine that holds the policy; it is released at the end."""
    engine = make_engine(config, checkpoint)
    engine.load(Policy(checkpoint, checkpoint / PROBE_FILE, 0))
    processor = load_processor(checkpoint)
    try:
        yield Scene(
            "benchmark", 0, "evaluate", seed, 0, engine, processor, config.video, config.prompts, config.rewards, Path
        )
    finally:
        engine.release()


def answer(config: RunConfig, checkpoint: Path, samples: Sequence[Sample], seed: int) -> dict[str, list[Graded]]:
    """The policy's greedy and sampled (`rollout.group_size` a sample, the run's temperature) responses, graded."""
    queries = [as_in_the_data(sample, "original", i) for i, sample in enumerate(samples)]
    with policy_scene(config, checkpoint, seed) as scene:
        greedy, sampled = (
            evaluate(to_evaluate(samples, scene)[0], config.evaluate, scene, benchmark_of("shapes")),
            roll_out(to_roll_out(queries, scene)[0], config.rollout, scene),
        )
    levels = {sample.sample_id: str(sample.task_level) for sample in samples}
    return {
        name: [
            Graded(
                row.sample_id,
                levels[row.sample_id],
                row.problem_type,
                row.reward,
                row.reward_accuracy,
                row.reward_format,
                row.reward_iou,
            )
            for row in rows
        ]
        for name, rows in (("greedy", greedy), ("sampled", sampled))
    }


def means(graded: Sequence[Graded]) -> list[dict[str, Any]]:
    """One row a level and problem type, `all` among both: number of responses, mean accuracy, reward, format, IoU."""
    rows = []
    for level in LEVELS:
        at_level = [row for row in graded if level in (row.task_level, ALL)]
        for problem_type in (*sorted({row.problem_type for row in at_level}), ALL):
            found = [row for row in at_level if problem_type in (row.problem_type, ALL)]
            ious = [row.iou for row in found if row.iou is not None]
            row: dict[str, Any] = {"task_level": level, "problem_type": problem_type, "responses": len(found)}
            for name in ("accuracy", "reward", "format"):
                row[name] = _mean(getattr(one, name) for one in found)
            rows.append({**row, "iou": _mean(ious) if ious else None})
    return rows


def vanishing(sampled: Sequence[Graded]) -> float:
    """Share of samples whose responses all earn the same reward."""
    rewards: dict[str, set[float]] = {}
    for row in sampled:
        rewards.setdefault(row.sample_id, set()).add(row.reward)
    return _mean(len(found) == 1 for found in rewards.values())


def _mean(values: Iterable[float]) -> float:
    return float(np.mean([float(value) for value in values] or [np.nan]))
