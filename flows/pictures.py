"""The pictures of a run, each a matplotlib figure made from one query; the report and the artifacts show them."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable
from typing import Any

from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from stages.evaluate import wilson_interval
from storage.query import query
from storage.run import Run

HARD, KEPT, EASY, NOISE = "#0072B2", "#999999", "#E69F00", "#009E73"  # Okabe and Ito: safe for colour-blind readers
COLOURS = {"hard": HARD, "kept": KEPT, "easy": EASY}


def difficulty_histogram(run: Run, round_index: int) -> Figure:
    """How many samples of a round are how hard (delta_R of Eq. 9), coloured by what is done to them."""
    rows = _rows(run, f"select difficulty, label from difficulty where round_index = {round_index}")
    figure, axes = _axes(3.0)
    values = [[row["difficulty"] for row in rows if row["label"] == label] for label in COLOURS]
    axes.hist(values, bins=24, range=(-1, 1), stacked=True, color=list(COLOURS.values()), label=list(COLOURS))
    axes.axvline(0, color="black", linewidth=0.8)
    axes.set(xlabel=f"difficulty in round {round_index} (delta_R, Eq. 9): easy below 0, hard above", ylabel="samples")
    axes.legend(frameon=False)
    return figure


def accuracy_by_round(run: Run) -> Figure:
    """Accuracy of the sampled responses of each round, and of the greedy ones on the validation split."""
    figure, axes = _axes(3.0)
    rounds = _rows(run, "select round_index, accuracy from rounds order by 1")
    axes.plot(*_columns(rounds, "round_index", "accuracy"), marker="o", color=HARD, label="training samples, sampled")
    sql = "select round_index, sum(reward_accuracy)::bigint as n, count(*) as total from evaluations group by 1"
    for i, row in enumerate(_rows(run, sql)):
        share = row["n"] / row["total"]
        low, high = wilson_interval(row["n"], row["total"])
        label = "validation, greedy, 95 % interval" if i == 0 else None
        error = [[share - low], [high - share]]
        axes.errorbar(row["round_index"], share, error, fmt="s", color=EASY, capsize=3, label=label)
    axes.set(xlabel="round", ylabel="accuracy", ylim=(0, 1))
    return _finished(figure)


def vanishing_by_round(run: Run) -> Figure:
    """The share of groups whose rewards are all equal, before and after augmentation."""
    figure, axes = _axes(3.0)
    rounds = _rows(run, "select round_index, vanishing_before, vanishing_after from rounds order by 1")
    for name, colour, label in (("before", KEPT, "as sampled"), ("after", HARD, "with augmented groups")):
        axes.plot(*_columns(rounds, "round_index", f"vanishing_{name}"), marker="o", color=colour, label=label)
    axes.set(xlabel="round", ylabel="groups with equal rewards", ylim=(0, 1))
    return _finished(figure)


def effects(run: Run) -> Figure:
    """What each augmentation did to its sample's mean reward, against the control, by its level."""
    figure, axes = _axes(3.0)
    rows = _rows(run, "select kind, level, effect from augmentations where effect is not null")
    for kind, colour in (("hint", HARD), ("noise", NOISE)):
        shown = [row for row in rows if row["kind"] == kind]
        axes.scatter(*_columns(shown, "level", "effect"), s=14, alpha=0.6, color=colour, label=f"{kind} ({len(shown)})")
        if shown:
            axes.axhline(sum(r["effect"] for r in shown) / len(shown), color=colour, linewidth=1, linestyle="--")
    axes.axhline(0, color="black", linewidth=0.8)
    axes.set(xlabel="level (dashed: mean effect)", ylabel="reward, augmented - control")
    return _finished(figure)


def training(run: Run) -> Figure:
    """Loss, KL to the reference and spread of the log-ratio over all optimiser steps."""
    figure = Figure(figsize=(7, 2.6), layout="constrained")
    rows = _rows(run, "select loss, kl, rho_std from train_steps order by round_index, step")
    for axes, name in zip(figure.subplots(1, 3), ("loss", "kl", "rho_std"), strict=True):
        axes.plot([row[name] for row in rows], color=HARD, linewidth=1)
        axes.set(title=name, xlabel="optimiser step")
    return figure


def seconds_by_stage(run: Run) -> Figure:
    """Where the time went, by round."""
    rows = _rows(run, "select round_index, stage, seconds from stages where current")
    figure, axes = _axes(3.0)
    rounds = sorted({row["round_index"] for row in rows})
    base = dict.fromkeys(rounds, 0.0)
    for stage in dict.fromkeys(row["stage"] for row in rows):
        seconds = {row["round_index"]: row["seconds"] for row in rows if row["stage"] == stage}
        heights = [seconds.get(r, 0.0) for r in rounds]
        axes.bar(rounds, heights, bottom=list(base.values()), label=stage)
        base = {r: base[r] + h for r, h in zip(rounds, heights, strict=True)}
    axes.set(xlabel="round", ylabel="seconds")
    return _finished(figure)


RUN_PICTURES: dict[str, Callable[[Run], Figure]] = {
    "Accuracy": accuracy_by_round,
    "Groups with nothing to learn from": vanishing_by_round,
    "What the augmentations did": effects,
    "Training": training,
    "Time": seconds_by_stage,
}


def png(figure: Figure) -> bytes:
    """The figure as the bytes of a PNG file."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=110)
    return buffer.getvalue()


def data_url(figure: Figure) -> str:
    """The figure as a PNG inside a URL, for HTML and markdown that load nothing."""
    return f"data:image/png;base64,{base64.b64encode(png(figure)).decode()}"


def _axes(height: float) -> tuple[Figure, Any]:
    figure = Figure(figsize=(7, height), layout="constrained")
    return figure, figure.subplots()


def _finished(figure: Figure) -> Figure:
    axes = figure.axes[0]
    if axes.get_xlabel() == "round":
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.set_xlim(axes.dataLim.x0 - 0.5, axes.dataLim.x1 + 0.5)
    figure.legend(loc="outside right upper", frameon=False, fontsize="small")
    return figure


def _rows(run: Run, sql: str) -> list[dict[str, Any]]:
    return list(query(run, sql).to_pylist())


def _columns(rows: list[dict[str, Any]], x: str, y: str) -> tuple[list[Any], list[Any]]:
    return [row[x] for row in rows], [row[y] for row in rows]
