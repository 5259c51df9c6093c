"""The Prefect artifact of a round: its row of the rounds table and the histogram of its difficulties, as markdown."""

from __future__ import annotations

import base64
import io
from typing import Any

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from prefect.artifacts import create_markdown_artifact

from storage.query import query
from storage.run import Run

COLOURS = {"hard": "#0072B2", "kept": "#999999", "easy": "#E69F00"}  # Okabe and Ito: safe for colour-blind readers


def publish_round(run: Run, round_index: int) -> None:
    """Publishes the artifact `round-<run_id>-<round>`."""
    row = query(run, f"select * from rounds where round_index = {round_index}").to_pylist()[0]
    cells = "\n".join(f"| {name} | {_text(value)} |" for name, value in row.items())
    picture = base64.b64encode(difficulty_histogram(run, round_index)).decode()
    markdown = (
        f"# Round {round_index}\n\n| | |\n|---|---|\n{cells}\n\n"
        f"![Difficulty of the round's samples](data:image/png;base64,{picture})\n"
    )
    create_markdown_artifact(
        markdown, key=f"round-{run.identity.run_id}-{round_index}", description=f"Round {round_index}"
    )


def difficulty_histogram(run: Run, round_index: int) -> bytes:
    """A PNG: how many samples of the round are how hard (delta_R of Eq. 9), coloured by what is done to them."""
    rows = query(run, f"select difficulty, label from difficulty where round_index = {round_index}").to_pylist()
    figure = Figure(figsize=(6, 3), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    values = [[row["difficulty"] for row in rows if row["label"] == label] for label in COLOURS]
    axes.hist(values, bins=24, range=(-1, 1), stacked=True, color=list(COLOURS.values()), label=list(COLOURS))
    axes.axvline(0, color="black", linewidth=0.8)
    axes.set(xlabel="difficulty (delta_R, Eq. 9): easy below 0, hard above", ylabel="samples")
    axes.legend(frameon=False)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=110)
    return buffer.getvalue()


def _text(value: Any) -> str:
    return f"{value:.3f}" if isinstance(value, float) else str(value)
