"""Every algorithm's settings searched on the embedded benchmark, with as many tries for each: a table and curves.

python benchmarks/sweep.py --work D [--tries K] [--losses L ...] [--set K=V] [--json F] [--picture F.svg] [--quick]

A try is a short run of preset tiny_benchmark (6 rounds) and the sampled answers of its last policy to fixed samples
(seed 500, eight responses each). `sweep_space.py` has the settings: those of try 0 are written there, of the later ones
each value comes once before any comes twice, learning rate, KL weight and updates the same for all algorithms of a try.
`late` is the accuracy of the original groups of the last three rounds (DPO: the reference's), `equal` the share of
groups of equal rewards among the answers.
All algorithms have their K-th try before any has its next, so a sweep that is stopped has still asked each as much;
what is done in D is not done again, and --tries may grow. Training seed 0 only: seeds from 2000 on are for judging, and
no search may see them.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import tempfile
import time
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import matplotlib
import numpy as np
from embedded_measure import answer, means, test_samples, vanishing
from matplotlib.figure import Figure
from small_run import complete
from sweep_space import settings_of

from flows.config import load_config
from flows.report.chart import HARD, INK, STYLE
from storage.query import query
from storage.run import Run
from trainer.config import LOSSES

SAMPLES_SEED = 500
CURVE = """
select round_index, accuracy, vanishing_before as vanishing, kl, rho_std, grad_norm
from rounds left join (
    select round_index, last(kl order by step) as kl, max(rho_std) as rho_std, avg(grad_norm) as grad_norm
    from train_steps group by all
) using (round_index) order by round_index"""
Row = dict[str, Any]


def one_try(loss: str, number: int, folder: Path, overrides: list[str], num_samples: int) -> Row:
    """A run of one algorithm with one choice of settings, and how well its last policy answers."""
    settings = settings_of(loss, number)
    config = load_config("tiny_benchmark", [*settings, *overrides, "seed=0"])
    started = time.perf_counter()
    complete(folder, config)
    seconds = time.perf_counter() - started
    run = Run.open(str(folder))
    manifest = run.ledger.current(f"{config.rounds - 1:05d}/train")
    assert manifest is not None, f"{folder}: the last round was not trained"
    checkpoint = run.files.local(manifest.output_folder("checkpoint"))
    with test_samples(SAMPLES_SEED, num_samples) as samples:
        sampled = answer(config, checkpoint, samples, SAMPLES_SEED)["sampled"]
    (total,) = (row for row in means(sampled) if (row["task_level"], row["problem_type"]) == ("all", "all"))
    return {
        "loss": loss,
        "try": number,
        "settings": settings,
        "accuracy": total["accuracy"],
        "reward": total["reward"],
        "format": total["format"],
        "vanishing": vanishing(sampled),
        "seconds": seconds,
        "curve": query(run, CURVE).to_pylist(),
    }


def sweep(losses: list[str], tries: int, work: Path, overrides: list[str], num_samples: int) -> list[Row]:
    """All tries, breadth first; a row that is in `work` already is read back."""
    rows = []
    for number in range(tries):
        for loss in losses:
            done = work / f"{loss}-{number}.json"
            if not done.exists():
                found = one_try(loss, number, work / f"{loss}-{number}", overrides, num_samples)
                part = done.with_suffix(".part")
                part.write_text(json.dumps(found, indent=1))
                part.replace(done)
            row = json.loads(done.read_text())
            print(f"{line(row)}  {row['seconds']:.0f} s", flush=True)
            rows.append(row)
    return rows


def line(row: Row) -> str:
    """A try as a line of the table."""
    last = row["curve"][-1]
    figures = "".join(
        f"{'-' if last[name] is None else f'{last[name]:.3g}':>9}" for name in ("kl", "rho_std", "grad_norm")
    )
    late = np.mean([c["accuracy"] for c in row["curve"][-3:]])
    name = f"{row['loss']:<18}{row['try']:>4}"
    answers = f"{row['accuracy']:>10.3f}{late:>7.3f}{row['format']:>8.2f}{row['vanishing']:>7.0%}"
    return f"{name}{answers}{figures}  {' '.join(s.removeprefix('train.') for s in row['settings'])}"


def draw(rows: list[Row], path: Path) -> None:
    """Accuracy of the original groups by round, a panel an algorithm: its best try in colour, the others grey."""
    losses = list(dict.fromkeys(row["loss"] for row in rows))
    columns = min(len(losses), 5)
    with matplotlib.rc_context(STYLE):
        shape = (-(-len(losses) // columns), columns)
        figure = Figure(figsize=(2.0 * columns, 2.0 * shape[0]), layout="constrained")
        panels = figure.subplots(*shape, sharex=True, sharey=True, squeeze=False).ravel()
        for axes, loss in zip(panels, losses, strict=False):
            tries = sorted((row for row in rows if row["loss"] == loss), key=lambda row: row["accuracy"])
            for row in tries:
                style = {"color": HARD, "linewidth": 2.0} if row is tries[-1] else {"color": INK, "alpha": 0.3}
                axes.plot([c["round_index"] for c in row["curve"]], [c["accuracy"] for c in row["curve"]], **style)
            axes.set_title(f"{loss} {tries[-1]['accuracy']:.3f}")
        for axes in panels[len(losses) :]:
            axes.set_visible(False)
        figure.supxlabel("round")
        figure.supylabel("accuracy")
        figure.savefig(path, facecolor="white")


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, help="keep runs and results here, and go on from what is there")
    parser.add_argument("--tries", type=int, default=4, help="choices of settings for each algorithm")
    parser.add_argument("--losses", nargs="+", choices=LOSSES, default=list(LOSSES), help="the algorithms")
    parser.add_argument("--set", action="append", default=[], help="a setting other than the preset's, name=value")
    parser.add_argument("--json", type=Path, help="write {machine, rows} to this file")
    parser.add_argument("--picture", type=Path, help="draw the curves to this file (.svg or .png)")
    parser.add_argument("--quick", action="store_true", help="one try of two algorithms, a few samples")
    arguments = parser.parse_args()
    overrides, num_samples, tries, losses = (
        ["rounds=6", "data.num_validation=3"],
        100,
        arguments.tries,
        arguments.losses,
    )
    if arguments.quick:
        small = ["data.num_train=16", "data.num_validation=3", "select.samples_per_round=16"]
        overrides, num_samples, tries, losses = ["rounds=1", *small], 6, 1, ["grpo", "reg_grpo"]
    with tempfile.TemporaryDirectory() as folder:
        work = arguments.work or Path(folder)
        work.mkdir(parents=True, exist_ok=True)
        rows = sweep(losses, tries, work, overrides, num_samples)
    titles = f"{'accuracy':>10}{'late':>7}{'format':>8}{'equal':>7}{'kl':>9}{'rho_std':>9}{'grad':>9}"
    print(f"\n{'loss':<18}{'try':>4}{titles}  settings")
    for row in sorted(rows, key=lambda row: -row["accuracy"]):
        print(line(row))
    if arguments.json:
        arguments.json.write_text(json.dumps({"machine": platform.platform(), "rows": rows}, indent=1))
    if arguments.picture:
        draw(rows, arguments.picture)


if __name__ == "__main__":
    main()
