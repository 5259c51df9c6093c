"""How each stage's time grows with the samples of a round, and with the rounds that lie behind it.

python benchmarks/growth.py [--samples N ...] [--rounds R] [--repeats K] [--set K=V] [--json F] [--quick]

The deterministic engine, real videos and real training; every sample is augmented and trained on, so that each has the
same work to do. Samples: runs of two rounds at each size, the sizes taking turns; `slope` is that of log seconds over
log samples in the second round (1 is linear, below it a start-up cost is spread over more). Rounds: one run of many
small rounds; `late / early` is the median of its last fifth over that of its first, the very first round left out.
Goals of the project: slope at most 1.05, late / early 1.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import tempfile
from collections import defaultdict
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import numpy as np
from small_run import SMALL, complete_in_child

from flows.config import load_config
from storage.query import query
from storage.run import Run

STAGES = "select round_index, stage, seconds from stages where current and stage <> 'evaluate' order by round_index"
Rows = list[dict[str, Any]]
EVEN = ["difficulty.scaling=fixed", "curate.equal_rewards=keep", "evaluate.every=1000", "rollout.shard_size=16"]
SMALL_WINDOW = "difficulty.window_size=8"  # full after two rounds of the long run: a window that fills is more work


def run(folder: Path, samples: int, rounds: int, overrides: list[str]) -> Rows:
    """Seconds by round and stage of a run of its own."""
    sizes = [f"rounds={rounds}", f"data.num_train={2 * samples}", f"select.samples_per_round={samples}"]
    config = load_config("tiny", [*SMALL, *sizes, *EVEN, *overrides])
    complete_in_child(folder, config)
    return query(Run.open(str(folder)), STAGES).to_pylist()


def by_samples(work: Path, sizes: list[int], repeats: int, overrides: list[str]) -> Rows:
    """A row a stage: median seconds at each size, and the slope of their logarithms."""
    found: dict[str, dict[int, list[float]]] = defaultdict(lambda: defaultdict(list))
    for repeat in range(repeats):
        for samples in sizes:
            for row in run(work / f"{samples}-{repeat}", samples, 2, overrides):
                if row["round_index"] == 1:
                    found[row["stage"]][samples].append(row["seconds"])
            print(f"{samples} samples, {repeat + 1} of {repeats}", flush=True)
    rows = []
    for stage, seconds in found.items():
        medians = [float(np.median(seconds[samples])) for samples in sizes]
        slope = float(np.polyfit(np.log(sizes), np.log(medians), 1)[0])
        rows.append({"stage": stage, "samples": sizes, "seconds": medians, "slope": slope})
    return rows


def by_rounds(work: Path, rounds: int, overrides: list[str]) -> Rows:
    """A row a stage: median seconds of the early and of the late rounds of one run."""
    found = defaultdict(list)
    for row in run(work / "rounds", 4, rounds, [SMALL_WINDOW, *overrides]):
        if row["round_index"] > 0:
            found[row["stage"]].append(row["seconds"])
    fifth = max((rounds - 1) // 5, 1)
    rows = []
    for stage, seconds in found.items():
        early, late = float(np.median(seconds[:fifth])), float(np.median(seconds[-fifth:]))
        rows.append({"stage": stage, "rounds": rounds, "early": early, "late": late, "late_over_early": late / early})
    return rows


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--samples", type=int, nargs="+", default=[16, 32, 64, 128], help="samples a round")
    parser.add_argument("--rounds", type=int, default=50, help="rounds of the long run")
    parser.add_argument("--repeats", type=int, default=3, help="runs of each size")
    parser.add_argument("--set", action="append", default=[], help="a setting other than the preset's, name=value")
    parser.add_argument("--json", type=Path, help="write {machine, rows} to this file")
    parser.add_argument("--quick", action="store_true", help="two sizes, six rounds")
    arguments = parser.parse_args()
    sizes, rounds, repeats = arguments.samples, arguments.rounds, arguments.repeats
    if arguments.quick:
        sizes, rounds, repeats = [8, 16], 6, 1
    with tempfile.TemporaryDirectory() as folder:
        grown = by_samples(Path(folder), sizes, repeats, arguments.set)
        aged = by_rounds(Path(folder), rounds, arguments.set)
    print(f"{'seconds by samples':<20}" + "".join(f"{size:>9}" for size in sizes) + f"{'slope':>8}")
    for row in grown:
        print(f"{row['stage']:<20}" + "".join(f"{s:>9.3f}" for s in row["seconds"]) + f"{row['slope']:>8.2f}")
    print(f"\n{f'seconds by rounds ({rounds})':<24}{'early':>9}{'late':>9}{'late / early':>14}")
    for row in aged:
        print(f"{row['stage']:<24}{row['early']:>9.3f}{row['late']:>9.3f}{row['late_over_early']:>14.2f}")
    if arguments.json:
        arguments.json.write_text(json.dumps({"machine": platform.platform(), "rows": grown + aged}, indent=1))


if __name__ == "__main__":
    main()
