"""What augmentation does to training: effects against controls, and how many groups vanish with and without it.

python benchmarks/augmentation.py [--rounds R] [--seeds S] [--set K=V] [--work D] [--json F] [--quick]

Preset tiny through the real loop, with augmentation (a control for every augmented sample) and without, one run a seed
each. Printed: the effect by kind and level; beside it the naive difference after - before, which regression to the mean
makes look well whatever was done; and the vanishing ratio of the groups made to be trained on, over all rounds and up
to equal numbers of live groups (the smaller of the two runs') and of generated tokens. Tokens are those of every
response that training asks for: original and augmented groups and guided traces (whose tokens are not stored: estimated
from their letters); controls, which only measure, are left out.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import numpy as np
from interval import interval
from small_run import complete_in_child

from flows.config import load_config
from storage.query import query
from storage.run import Run

ARMS = {"with": [], "without": ["augment.increasing=off", "augment.decreasing=off"]}
SETTINGS = ["augment.control_fraction=1.0", "evaluate.every=1000"]
QUICK = ["data.num_train=24", "data.num_validation=3", "select.samples_per_round=12", "difficulty.min_level=0.1"]
Rows = list[dict[str, Any]]
EFFECTS = """
select kind, (least(floor(level * 5), 4) + 0.5) / 5 as level, effect, reward_after - reward_before as naive,
    vanished_control::int as vanished_control, vanished_after::int as vanished_after
from augmentations where effect is not null"""
ROUNDS = """
with made as (
    select round_index, false as vanished from (select distinct round_index, position from curated)
    union all
    select round_index, true from dropped where stage = 'curate' and reason = 'equal_rewards'
), spent as (
    select round_index, sum(len(response_token_ids)) as tokens from rollouts where pass <> 'control' group by all
), guided as (
    select round_index, sum(length(response)) as letters from hint_traces group by all
), letters_a_token as (
    select sum(length(response)) / sum(len(response_token_ids)) as value from rollouts
)
select round_index, count(*) as groups, count(*) filter (not vanished) as live,
    any_value(tokens) + coalesce(any_value(letters), 0) / any_value(value) as tokens
from made join spent using (round_index) left join guided using (round_index), letters_a_token
group by all order by round_index"""


def run(arm: str, seed: int, rounds: int, folder: Path, overrides: Sequence[str]) -> tuple[Rows, Rows]:
    """The augmentations of a run, and by round its groups, live groups and generated tokens."""
    config = load_config("tiny", [*SETTINGS, *ARMS[arm], f"rounds={rounds}", f"seed={seed}", *overrides])
    started = time.perf_counter()
    complete_in_child(folder, config)
    print(f"{arm} seed {seed}: {rounds} rounds, {time.perf_counter() - started:.0f} s", flush=True)
    done = Run.open(str(folder))
    return query(done, EFFECTS).to_pylist(), query(done, ROUNDS).to_pylist()


def until(rows: Rows, column: str, budget: float) -> float:
    """The vanishing ratio over a run's first rounds, up to `budget` of a column, the last round in part."""
    groups = live = spent = 0.0
    for row in rows:
        share = min(1.0, (budget - spent) / row[column]) if row[column] else 1.0
        groups, live, spent = groups + share * row["groups"], live + share * row["live"], spent + share * row[column]
        if spent >= budget:
            break
    return 1.0 - live / groups if groups else float("nan")


def vanishing(runs: dict[str, Rows]) -> dict[str, dict[str, float]]:
    """By measure and arm: the vanishing ratio over all rounds, at equal live groups, at equal tokens."""
    found = {"all rounds": {arm: until(rows, "groups", float("inf")) for arm, rows in runs.items()}}
    for column, name in (("live", "equal live groups"), ("tokens", "equal tokens")):
        budget = min(sum(row[column] for row in rows) for rows in runs.values())
        found[name] = {arm: until(rows, column, budget) for arm, rows in runs.items()}
    return found


def effects(rows: Rows) -> Rows:
    """By kind and fifth of the level, and `all` levels: mean effect and naive difference with 95 % intervals."""
    found = []
    for kind in sorted({row["kind"] for row in rows}):
        of_kind = [row for row in rows if row["kind"] == kind]
        for level in (*sorted({row["level"] for row in of_kind}), "all"):
            shown = [row for row in of_kind if level in (row["level"], "all")]
            row: dict[str, Any] = {"kind": kind, "level": level, "samples": len(shown)}
            for name in ("effect", "naive", "vanished_control", "vanished_after"):
                mean, half = interval(np.array([one[name] for one in shown], float))
                row |= {name: mean, f"{name}_half": half}
            found.append(row)
    return found


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--set", action="append", default=[], help="a setting other than the preset's, name=value")
    parser.add_argument("--work", type=Path, help="keep the runs here")
    parser.add_argument("--json", type=Path, help="write {machine, rows} to this file")
    parser.add_argument("--quick", action="store_true", help="three rounds of a dozen samples, one seed")
    arguments = parser.parse_args()
    rounds, seeds = (3, 1) if arguments.quick else (arguments.rounds, arguments.seeds)
    overrides = [*(QUICK if arguments.quick else []), *arguments.set]
    augmented, ratios = list[dict[str, Any]](), list[dict[str, dict[str, float]]]()
    with tempfile.TemporaryDirectory() as folder:
        work = arguments.work or Path(folder)
        for seed in range(seeds):
            runs = {arm: run(arm, seed, rounds, work / f"{arm}-{seed}", overrides) for arm in ARMS}
            augmented += runs["with"][0]
            ratios.append(vanishing({arm: by_round for arm, (_, by_round) in runs.items()}))
    rows = effects(augmented)
    titles = f"{'effect':>18}{'after - before':>18}{'vanished: control':>19}{'after':>7}"
    print(f"{'kind':<7}{'level':>6}{'samples':>9}{titles}")
    for row in rows:
        cells = [f"{row[name]:+.3f} +- {row[f'{name}_half']:.3f}" for name in ("effect", "naive")]
        cells += [f"{row[name]:.0%}" for name in ("vanished_control", "vanished_after")]
        widths = zip(cells, (18, 18, 19, 7), strict=True)
        name = f"{row['kind']:<7}{row['level']:>6}{row['samples']:>9}"
        print(name + "".join(f"{cell:>{width}}" for cell, width in widths))
    print(f"\n{'vanishing ratio, mean over seeds (of each)':<44}{'with':>24}{'without':>24}")
    for name in ratios[0]:
        cells = [[ratio[name][arm] for ratio in ratios] for arm in ARMS]
        texts = [f"{np.mean(cell):.1%} ({', '.join(f'{one:.1%}' for one in cell)})" for cell in cells]
        print(f"{name:<44}{texts[0]:>24}{texts[1]:>24}")
    if arguments.json:
        rows += [{"measure": name, "seed": s, **ratio[name]} for s, ratio in enumerate(ratios) for name in ratio]
        arguments.json.write_text(json.dumps({"machine": platform.platform(), "rows": rows}, indent=1))


if __name__ == "__main__":
    main()
