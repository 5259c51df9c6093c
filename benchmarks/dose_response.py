"""Dose and response: what noise, masks, cues and hints do to the reward of samples that no reward has selected.

python benchmarks/dose_response.py [--samples N] [--set K=V] [--json F] [--picture F.svg] [--quick]

The warm policy answers the same validation samples (all levels of the embedded data) at every dose, `group_size`
responses each with the same request seeds. A difference is paired: each sample's mean reward at a dose minus its own
at dose 0; intervals are 95 % over samples. A series is monotone within error if no step goes the wrong way by more than
its own interval; the two ways of a cue are each compared with none. Of a cue and of a hint only the samples that can
have one are asked, at every dose.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import matplotlib
import numpy as np
from doses import DIRECTION, doses
from embedded_measure import policy_scene, test_samples
from interval import interval
from matplotlib.figure import Figure

from flows.config import RunConfig, load_config
from flows.report.chart import HARD, INK, STYLE
from flows.session import find_checkpoint
from stages.rollout import roll_out, to_roll_out
from storage.records import Sample

SEED = 3000
Rows = list[dict[str, Any]]


def measure(config: RunConfig, samples: Sequence[Sample]) -> dict[tuple[str, Any], tuple[np.ndarray, np.ndarray]]:
    """Mean reward and accuracy of each sample, [samples] each, by (series, dose); the engine is loaded once."""
    found = {}
    with policy_scene(config, find_checkpoint(config.model.path), SEED) as scene:
        for series, dose, queries in doses(samples, config, scene):
            started = time.perf_counter()
            rollouts = roll_out(to_roll_out(queries, scene)[0], config.rollout, scene)
            shape = (len(queries), config.rollout.group_size)
            rewards = np.array([row.reward for row in rollouts]).reshape(shape)
            right = np.array([row.reward_accuracy for row in rollouts]).reshape(shape)
            found[series, dose] = rewards.mean(axis=1), right.mean(axis=1)
            rate = len(rollouts) / (time.perf_counter() - started)
            print(f"{series} {dose}: {len(rollouts)} responses, {rate:.0f}/s", flush=True)
    return found


def responses(found: dict[tuple[str, Any], tuple[np.ndarray, np.ndarray]]) -> Rows:
    """One row a dose; `step` is the paired change from the dose before, in the direction that is meant."""
    rows: Rows = []
    first: dict[str, np.ndarray] = {}
    before: dict[str, np.ndarray] = {}
    for (series, dose), (rewards, right) in found.items():
        clean = first.setdefault(series, rewards)
        step = interval(DIRECTION[series] * (rewards - before.get(series, rewards)))
        row = {"series": series, "dose": dose, "samples": len(rewards), "accuracy": interval(right)[0]}
        for name, (mean, half) in (
            ("reward", interval(rewards)),
            ("change", interval(rewards - clean)),
            ("step", step),
        ):
            row |= {name: mean, f"{name}_half": half}
        rows.append(row)
        before[series] = clean if series == "cue" else rewards
    return rows


def monotone(rows: Rows) -> dict[str, bool]:
    """By series: whether no step goes the wrong way by more than its interval."""
    names = dict.fromkeys(row["series"] for row in rows)
    return {
        name: not any(row["step"] + row["step_half"] < 0 for row in rows if row["series"] == name) for name in names
    }


def table(rows: Rows) -> str:
    """The rows as text."""
    lines = [f"{'series':<7}{'dose':>6}{'samples':>9}{'reward':>16}{'accuracy':>10}{'change':>17}"]
    for row in rows:
        reward = f"{row['reward']:.3f} +- {row['reward_half']:.3f}"
        change = f"{row['change']:+.3f} +- {row['change_half']:.3f}"
        lines.append(
            f"{row['series']:<7}{row['dose']:>6}{row['samples']:>9}{reward:>16}{row['accuracy']:>10.3f}{change:>17}"
        )
    return "\n".join(lines)


def draw(rows: Rows, path: Path) -> None:
    """One panel a series: mean change of the reward against dose 0, with its interval."""
    names = list(dict.fromkeys(row["series"] for row in rows))
    units = {"noise": "sigma, of 255", "mask": "share of frames", "cue": "spans shown", "hint": "share of the trace"}
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(2.3 * len(names), 2.6), layout="constrained")
        for axes, name in zip(figure.subplots(1, len(names), sharey=True), names, strict=True):
            shown = [row for row in rows if row["series"] == name]
            places = [row["dose"] if name != "cue" else i for i, row in enumerate(shown)]
            changes, halves = ([row[key] for row in shown] for key in ("change", "change_half"))
            axes.axhline(0, color=INK, linewidth=0.8)
            axes.errorbar(places, changes, halves, marker="o", markersize=4, capsize=3, color=HARD)
            axes.set(title=f"{name} ({shown[0]['samples']} samples)", xlabel=units[name])
            if name == "cue":
                axes.set_xticks(places, [row["dose"] for row in shown])
        figure.axes[0].set_ylabel("change of mean reward")
        figure.savefig(path, facecolor="white")


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--samples", type=int, default=240, help="validation samples, a third a level")
    parser.add_argument("--set", action="append", default=[], help="a setting other than the preset's, name=value")
    parser.add_argument("--json", type=Path, help="write {machine, rows} to this file")
    parser.add_argument("--picture", type=Path, help="draw the series to this file (.svg or .png)")
    parser.add_argument("--quick", action="store_true", help="a dozen samples")
    arguments = parser.parse_args()
    config = load_config("tiny", arguments.set)
    with test_samples(SEED, 12 if arguments.quick else arguments.samples) as samples:
        rows = responses(measure(config, samples))
    print(table(rows))
    for name, holds in monotone(rows).items():
        print(f"{name}: {'monotone' if holds else 'NOT monotone'} within error")
    if arguments.json:
        arguments.json.write_text(json.dumps({"machine": platform.platform(), "rows": rows}, indent=1))
    if arguments.picture:
        draw(rows, arguments.picture)


if __name__ == "__main__":
    main()
