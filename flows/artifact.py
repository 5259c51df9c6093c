"""The Prefect artifact of a round: its row of the rounds table and the histogram of its difficulties, as markdown."""

from __future__ import annotations

from typing import Any

from prefect.artifacts import create_markdown_artifact

from flows.report.chart import data_url
from flows.report.difficulty import difficulty_of_round
from storage.query import query
from storage.run import Run


def publish_round(run: Run, round_index: int) -> None:
    """Publishes the artifact `round-<run_id>-<round>`."""
    row = query(run, f"select * from rounds where round_index = {round_index}").to_pylist()[0]
    cells = "\n".join(f"| {name} | {_text(value)} |" for name, value in row.items())
    figure = difficulty_of_round(round_index).figure(run)
    picture = data_url(figure) if figure else ""
    markdown = (
        f"# Round {round_index}\n\n| | |\n|---|---|\n{cells}\n\n![Difficulty of the round's samples]({picture})\n"
    )
    create_markdown_artifact(
        markdown, key=f"round-{run.identity.run_id}-{round_index}", description=f"Round {round_index}"
    )


def _text(value: Any) -> str:
    return f"{value:.3f}" if isinstance(value, float) else str(value)
