"""The embedded benchmark: floor, warm policy, ceiling, and what GRPO and Reg-GRPO lift, by level, with seeds.

python benchmarks/embedded.py [--parts floor warm ceiling lift] [--seeds N] [--set K=V] [--work D] [--json F] [--quick]

floor: a random plausible answer, computed and simulated. warm: the shipped policy. ceiling: the warm policy after
supervised fine-tuning (embedded_ceiling.py), at half of its steps and at the end. lift: preset tiny_benchmark, trained
with several seeds; every seed's policy answers the same test samples. `spread` is the standard deviation over seeds:
of the test data for floor, warm and ceiling, of training for lift.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import platform
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import numpy as np
from embedded_ceiling import teach
from embedded_floor import chance, random_answers
from embedded_lift import LOSSES, in_child, measure, train
from embedded_measure import means, test_samples, vanishing

from flows.session import find_checkpoint
from storage.datasets import shapes
from trainer.warmup_optimizer import Schedule

TEST_SEED = 1000
PARTS = ("floor", "warm", "ceiling", "lift")
Rows = list[dict[str, Any]]


@dataclasses.dataclass(frozen=True)
class Size:
    """How much is measured: test samples, data and training seeds, ceiling videos and steps, settings of the lift."""

    num_test: int = 300
    num_seeds: int = 3
    num_videos: int = 6000
    steps: int = 2000
    overrides: tuple[str, ...] = ()


QUICK = Size(
    num_test=12,
    num_seeds=1,
    num_videos=16,
    steps=4,
    overrides=("rounds=1", "data.num_train=16", "data.num_validation=3", "select.samples_per_round=16"),
)


def floor(size: Size) -> Rows:
    """Chance, computed and simulated, over test sets of several seeds."""
    rows = []
    for seed in range(TEST_SEED, TEST_SEED + size.num_seeds):
        with test_samples(seed, size.num_test) as samples:
            simulated = random_answers(samples, np.random.default_rng(seed))
            rows += _rows("floor, computed", seed, chance(samples)) + _rows("floor, simulated", seed, simulated)
    return rows


def policy(name: str, checkpoint: Path, size: Size) -> Rows:
    """A policy's greedy and sampled answers on test sets of several seeds."""
    rows = []
    for seed in range(TEST_SEED, TEST_SEED + size.num_seeds):
        rows += _measured(name, seed, in_child(measure, checkpoint, list(size.overrides), seed, size.num_test))
    return rows


def ceiling(work: Path, size: Size) -> Rows:
    """The taught policy at half of its steps and at the end: equal where teaching has converged."""
    rows = []
    for steps in (size.steps // 2, size.steps):
        out = work / f"ceiling-{steps}"
        schedule = Schedule(steps=steps, batch_size=32, learning_rate=1e-3)
        loss = in_child(_teach, find_checkpoint("builtin:tiny"), out, size.num_videos, schedule)
        print(f"ceiling: {steps} steps, loss {loss:.4f}", flush=True)
        rows += policy(f"ceiling, {steps} steps", out, size)
    return rows


def lift(work: Path, size: Size) -> Rows:
    """Each loss with each training seed, beside the warm policy, all on one test set."""
    overrides, warm = list(size.overrides), find_checkpoint("builtin:tiny")
    rows = _measured("lift, before", 0, in_child(measure, warm, overrides, TEST_SEED, size.num_test))
    for seed in range(size.num_seeds):
        for loss in LOSSES:
            done = train(loss, seed, work / f"{loss}-{seed}", overrides)
            print(f"{loss} seed {seed}: {done['seconds']:.0f} s", flush=True)
            found = in_child(measure, done["checkpoint"], overrides, TEST_SEED, size.num_test)
            rows += [
                {**row, "seconds": done["seconds"], "curve": done["curve"]}
                for row in _measured(f"lift, {loss}", seed, found)
            ]
    return rows


def _teach(checkpoint: Path, out: Path, num_videos: int, schedule: Schedule) -> float:
    return teach(checkpoint, out, num_videos=num_videos, schedule=schedule)


def _measured(name: str, seed: int, found: dict[str, list[Any]]) -> Rows:
    shares = {"vanishing": vanishing(found["sampled"])}
    greedy, sampled = (_rows(f"{name}, {how}", seed, found[how]) for how in ("greedy", "sampled"))
    return greedy + [{**row, **shares} for row in sampled]


def _rows(name: str, seed: int, graded: list[Any]) -> Rows:
    return [{"what": name, "seed": seed, **row} for row in means(graded)]


def summary(rows: Rows) -> Iterator[str]:
    """A line for each thing measured: mean accuracy and spread by level, over its seeds."""
    width = max(len(row["what"]) for row in rows)
    yield f"{'accuracy (spread)':<{width}}  " + "  ".join(f"{level:<15}" for level in (*shapes.LEVELS, "all"))
    for name in dict.fromkeys(row["what"] for row in rows):
        cells = []
        for level in (*shapes.LEVELS, "all"):
            found = [
                row["accuracy"]
                for row in rows
                if (row["what"], row["task_level"], row["problem_type"]) == (name, level, "all")
            ]
            spread = f" ({np.std(found, ddof=1):.3f})" if len(found) > 1 else ""
            cells.append(f"{f'{np.mean(found):.3f}{spread}':<15}")
        yield f"{name:<{width}}  " + "  ".join(cells)


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=PARTS, help="what to measure")
    parser.add_argument("--seeds", type=int, help="data and training seeds, 3 if not given")
    parser.add_argument("--set", action="append", default=[], help="a setting other than the preset's, name=value")
    parser.add_argument("--work", type=Path, help="keep runs and taught policies here")
    parser.add_argument("--json", type=Path, help="write {machine, version, rows} to this file")
    parser.add_argument("--quick", action="store_true", help="a few samples and steps of everything")
    arguments = parser.parse_args()
    size = QUICK if arguments.quick else Size()
    overrides = (*size.overrides, *arguments.set)
    size = dataclasses.replace(size, num_seeds=arguments.seeds or size.num_seeds, overrides=overrides)
    rows: Rows = []
    with tempfile.TemporaryDirectory() as folder:
        work = arguments.work or Path(folder)
        work.mkdir(parents=True, exist_ok=True)
        for part in arguments.parts:
            if part == "floor":
                rows += floor(size)
            elif part == "warm":
                rows += policy("warm", find_checkpoint("builtin:tiny"), size)
            else:
                rows += (ceiling if part == "ceiling" else lift)(work, size)
    print("\n".join(summary(rows)))
    if arguments.json:
        found = {"machine": platform.platform(), "version": shapes.VERSION, "rows": rows}
        arguments.json.write_text(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
