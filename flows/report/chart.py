"""A chart of the report: one question in SQL and how its rows are drawn; as SVG that follows the page's colours."""

from __future__ import annotations

import base64
import io
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import matplotlib
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from storage.query import query
from storage.run import Run

Rows = list[dict[str, Any]]

INK, LINE = "#1b1b1b", "#d0d0d0"
HARD, KEPT, EASY, NOISE = "#0072b2", "#8a8a8a", "#e69f00", "#009e73"  # Okabe and Ito: safe for colour-blind readers
VARIABLES = {INK: "ink", LINE: "line", HARD: "hard", KEPT: "kept", EASY: "easy", NOISE: "noise"}
"""The colours that change with the page's light or dark theme, and the names of their CSS variables."""

STYLE: Any = {
    "axes.edgecolor": LINE,
    "axes.grid": True,
    "axes.labelcolor": INK,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlesize": "medium",
    "grid.color": LINE,
    "grid.linewidth": 0.5,
    "legend.fontsize": "small",
    "legend.frameon": False,
    "svg.fonttype": "none",
    "svg.hashsalt": "deepvideo",
    "text.color": INK,
    "xtick.color": INK,
    "ytick.color": INK,
}


@dataclass(frozen=True)
class Chart:
    """A picture made from the rows of one query; `says` is what it shows, for the caption and for screen readers.

    draw: gets a figure and the rows, of which there is at least one.
    """

    title: str
    says: str
    sql: str
    draw: Callable[[Figure, Rows], None]
    size: tuple[float, float] = (5.4, 2.9)

    def figure(self, run: Run) -> Figure | None:
        """The chart of a run; None if the query finds nothing to draw."""
        rows = query(run, self.sql).to_pylist()
        if not rows:
            return None
        with matplotlib.rc_context(STYLE):
            figure = Figure(figsize=self.size, layout="constrained")
            self.draw(figure, rows)
        return figure


def svg(figure: Figure) -> str:
    """The figure as an inline SVG element whose text is text and whose colours are the page's."""
    buffer = io.StringIO()
    with matplotlib.rc_context(STYLE):
        figure.savefig(buffer, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    text = buffer.getvalue()
    text = re.sub(r"<metadata>.*?</metadata>", "", text[text.index("<svg") :], flags=re.S)
    for colour, name in VARIABLES.items():
        text = text.replace(colour, f"var(--{name})")
    return text


def data_url(figure: Figure) -> str:
    """The figure as a PNG inside a URL, for markdown that loads nothing."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=110, facecolor="white")
    return f"data:image/png;base64,{base64.b64encode(buffer.getvalue()).decode()}"


def column(rows: Rows, name: str) -> list[Any]:
    """One column of the rows."""
    return [row[name] for row in rows]


def band(axes: Any, rows: Rows, name: str, colour: str, label: str) -> None:
    """The column `name` over rounds as a line, with the interval from `<name>_low` to `<name>_high` as a band."""
    shown = [row for row in rows if row[name] is not None]
    rounds = column(shown, "round_index")
    axes.plot(rounds, column(shown, name), marker="o", markersize=4, color=colour, label=label)
    axes.fill_between(
        rounds, column(shown, f"{name}_low"), column(shown, f"{name}_high"), color=colour, alpha=0.2, lw=0
    )


def over_rounds(axes: Any, **labels: Any) -> None:
    """Whole rounds on the x axis, a legend below the picture's top, and the given labels."""
    axes.set(xlabel="round", **labels)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.margins(x=0.08)
    axes.legend(loc="best")
