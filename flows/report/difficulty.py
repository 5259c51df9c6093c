"""Charts of difficulty (Eq. 9): all rounds as a ridgeline, one round as a histogram."""

from __future__ import annotations

from collections import Counter
from typing import Any

from matplotlib.figure import Figure

from flows.report.chart import EASY, HARD, INK, KEPT, LINE, Chart, Rows

COLOURS = {"hard": HARD, "kept": KEPT, "easy": EASY}
BIN = 0.1
MAX_RIDGES = 12
RIDGE_HEIGHT = 0.9  # of the distance between two rounds, for the tallest bar of all
COUNTS = f"""
select round_index, label, floor(difficulty / {BIN})::int as bin, count(*) as samples
from difficulty {{where}}group by all order by all"""


def _ridgeline(figure: Figure, rows: Rows) -> None:
    axes = figure.subplots()
    rounds = _evenly([*dict.fromkeys(row["round_index"] for row in rows)])
    heights: Counter[tuple[int, int]] = Counter()
    for row in rows:
        heights[row["round_index"], row["bin"]] += row["samples"]
    tallest = max(heights.values())
    for place, r in enumerate(rounds):
        axes.axhline(place, color=LINE, linewidth=0.8)
        _stack(axes, [row for row in rows if row["round_index"] == r], place, RIDGE_HEIGHT / tallest)
    axes.axvline(0, color=INK, linewidth=0.8)
    axes.set(xlabel="difficulty (delta_R, Eq. 9): easy below 0, hard above", xlim=(-1, 1))
    axes.set(yticks=range(len(rounds)), yticklabels=[f"round {r}" for r in rounds])
    axes.set_ylim(len(rounds) - 0.9, -1)
    axes.grid(axis="y", visible=False)
    _legend(figure, axes)


def _histogram(figure: Figure, rows: Rows) -> None:
    axes = figure.subplots()
    _stack(axes, rows, 0, -1.0)
    axes.axvline(0, color=INK, linewidth=0.8)
    axes.set(xlabel="difficulty (delta_R, Eq. 9): easy below 0, hard above", ylabel="samples", xlim=(-1, 1))
    _legend(figure, axes)


def _stack(axes: Any, rows: Rows, base: float, scale: float) -> None:
    """Bars of one round on the line `base`, stacked by label; a positive scale grows towards smaller y."""
    height: dict[int, float] = {}
    for row in sorted(rows, key=lambda row: list(COLOURS).index(row["label"])):
        bottom = height.get(row["bin"], base)
        height[row["bin"]] = bottom - scale * row["samples"]
        x, colour = (row["bin"] + 0.5) * BIN, COLOURS[row["label"]]
        axes.bar(x, height[row["bin"]] - bottom, BIN * 0.92, bottom, color=colour, zorder=2)


def _legend(figure: Figure, axes: Any) -> None:
    for label, colour in COLOURS.items():
        axes.bar(0, 0, color=colour, label=label)
    figure.legend(loc="outside upper right", ncols=3)


def _evenly(rounds: list[int]) -> list[int]:
    """At most MAX_RIDGES of the rounds, the first and the last among them."""
    if len(rounds) <= MAX_RIDGES:
        return rounds
    return [rounds[round(i * (len(rounds) - 1) / (MAX_RIDGES - 1))] for i in range(MAX_RIDGES)]


DIFFICULTY = Chart(
    "Difficulty",
    "How many samples of each round are how hard against the replay window (or the constant in its place), by label: "
    "hard ones get a hint or a cue, easy ones noise or masked frames, the others stay as they are. The first round has "
    "no window yet.",
    COUNTS.format(where=""),
    _ridgeline,
    size=(5.4, 3.6),
)


def difficulty_of_round(round_index: int) -> Chart:
    """The histogram of one round, for its Prefect artifact."""
    return Chart(
        f"Difficulty of round {round_index}",
        "How many samples of the round are how hard, by what is done to them.",
        COUNTS.format(where=f"where round_index = {round_index} "),
        _histogram,
        size=(7.0, 3.0),
    )
