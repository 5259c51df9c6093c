"""Where a round's time goes: generating, loading weights, training, every other stage, Prefect, start-up.

python benchmarks/round.py [--rounds R] [--preset NAME] [--set K=V] [--json F] [--quick]

A run of the preset (tiny) by the flow that `deepvideo run` calls; medians over the warm rounds, all but the first.
`generate`, `load weights` and `release weights` are the engine's own calls, taken out of the stages that make them;
`between stages` is what the clock has beside the stages: Prefect, mostly. The goal of the project: what is neither
generating nor training is at most 15 % of a warm round. On a CPU the engine is built anew for new weights, which has a
line of its own.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import numpy as np

from storage.query import query
from storage.run import Run

CALLS = {"generate": "generate", "load": "load weights", "release": "release weights"}
STAGES = "select round_index, stage, seconds, epoch(ended) as ended from stages where current order by ended"
Parts = dict[str, float]


def run(folder: str, preset: str, overrides: list[str]) -> tuple[float, list[tuple[str, float, float]]]:
    """Completes a run through the flow; returns when it began and the engine's calls as (name, end, seconds)."""
    began = time.time()
    from flows import session
    from flows.curriculum import curriculum

    calls: list[tuple[str, float, float]] = []
    make_engine = session.make_engine

    def make_timed(*arguments: Any) -> Any:
        engine = make_engine(*arguments)
        for name, shown in CALLS.items():
            setattr(engine, name, timed(getattr(engine, name), shown, calls))
        return engine

    session.make_engine = make_timed
    curriculum(folder, preset, overrides)
    return began, calls


def timed(method: Callable[..., Any], shown: str, calls: list[tuple[str, float, float]]) -> Callable[..., Any]:
    """The method, which notes its name, end and seconds in `calls`."""

    def call(*arguments: Any, **settings: Any) -> Any:
        started = time.perf_counter()
        try:
            return method(*arguments, **settings)
        finally:
            calls.append((shown, time.time(), time.perf_counter() - started))

    return call


def parts(began: float, calls: list[tuple[str, float, float]], stages: list[dict[str, Any]]) -> dict[int, Parts]:
    """Seconds by part, for each round; `start-up` is before the first stage and in the first round alone."""
    found: dict[int, Parts] = defaultdict(lambda: defaultdict(float))
    before = began
    for stage in stages:
        here, start = found[stage["round_index"]], stage["ended"] - stage["seconds"]
        inside = [(name, seconds) for name, end, seconds in calls if start <= end <= stage["ended"]]
        for name, seconds in inside:
            here[name] += seconds
        here[stage["stage"]] += stage["seconds"] - sum(seconds for _, seconds in inside)
        here["start-up" if before == began else "between stages"] += start - before
        before = stage["ended"]
    return found


def table(by_round: dict[int, Parts]) -> list[dict[str, Any]]:
    """Median seconds over the warm rounds and share of their sum, by part, the longest first."""
    warm = [found for r, found in by_round.items() if r > 0]
    names = {name for found in warm for name in found} - {"evaluate"}
    seconds = {name: float(np.median([found.get(name, 0.0) for found in warm])) for name in names}
    total = sum(seconds.values())
    rows = [{"part": name, "seconds": value, "share": value / total} for name, value in seconds.items()]
    return sorted(rows, key=lambda row: -row["seconds"])


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=8)
    parser.add_argument("--preset", default="tiny")
    parser.add_argument("--set", action="append", default=[], help="a setting other than the preset's, name=value")
    parser.add_argument("--json", type=Path, help="write {machine, rows} to this file")
    parser.add_argument("--quick", action="store_true", help="three rounds of a few samples")
    arguments = parser.parse_args()
    small = ["data.num_train=24", "data.num_validation=3", "select.samples_per_round=12"] if arguments.quick else []
    rounds = 3 if arguments.quick else arguments.rounds
    overrides = [f"rounds={rounds}", "evaluate.every=1000", *small, *arguments.set]
    with tempfile.TemporaryDirectory() as folder:
        began, calls = run(f"{folder}/run", arguments.preset, overrides)
        by_round = parts(began, calls, query(Run.open(f"{folder}/run"), STAGES).to_pylist())
    rows = table(by_round)
    print(f"start-up {by_round[0]['start-up']:.1f} s; a warm round, median of {rounds - 1}:")
    for row in rows:
        print(f"{row['part']:<20}{row['seconds']:>8.2f} s{row['share']:>8.1%}")
    rest = sum(row["share"] for row in rows if row["part"] not in ("generate", "train"))
    swap = sum(row["share"] for row in rows if row["part"] in (CALLS["load"], CALLS["release"]))
    print(f"neither generating nor training: {rest:.1%}, of which new weights for the engine {swap:.1%}")
    if arguments.json:
        arguments.json.write_text(json.dumps({"machine": platform.platform(), "rows": rows}, indent=1))


if __name__ == "__main__":
    main()
