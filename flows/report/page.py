"""The page: charts, film strips, texts and tables put into one HTML file that loads nothing."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from flows.report import film, texts
from flows.report.augmentation import EFFECTS
from flows.report.chart import svg
from flows.report.difficulty import DIFFICULTY
from flows.report.rounds import ACCURACY, REWARD, TIMELINE, VANISHING
from flows.report.training import TRAINING
from flows.tables import validation_lines
from storage import layout
from storage.query import query
from storage.run import Run

CHARTS = (REWARD, ACCURACY, VANISHING, EFFECTS, DIFFICULTY, TRAINING, TIMELINE)
TABLES = {
    "Rounds": "from rounds",
    "What the augmentations did: effects, and groups whose rewards are all equal": "from effects",
    "Dropped": "select round_index, stage, reason, count(*) as samples from dropped group by all order by all",
}


def write_report(run: Run) -> str:
    """Writes `report.html` into the run, replacing the last one; returns its path or URL."""
    run.files.replace(layout.REPORT, report_html(run).encode())
    return run.files.full(layout.REPORT)


def report_html(run: Run) -> str:
    """The report as HTML that loads nothing from anywhere."""
    templates = Environment(
        loader=FileSystemLoader(Path(__file__).parent), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    templates.filters["cell"] = cell
    drawn = [(chart, chart.figure(run)) for chart in CHARTS]
    return templates.get_template("page.html").render(
        run_id=run.identity.run_id,
        url=run.files.url,
        style=Path(__file__).with_name("page.css").read_text(encoding="utf-8"),
        validation=validation_lines(run),
        charts=[(chart, svg(figure) if figure else "") for chart, figure in drawn],
        strips=film.strips(run),
        strips_sql=film.SQL,
        hints=texts.hints(run),
        hints_sql=texts.HINTS_SQL,
        hint_counts=query(run, texts.HINT_COUNTS_SQL).to_pylist(),
        hint_counts_sql=texts.HINT_COUNTS_SQL,
        groups=texts.groups(run),
        groups_sql=texts.GROUPS_SQL,
        tables=[(title, query(run, sql).to_pylist(), sql) for title, sql in TABLES.items()],
        settings=json.dumps(run.settings.config, indent=1),
        versions={name: version for m in run.ledger.manifests() for name, version in m.info["versions"].items()},
    )


def cell(value: Any) -> str:
    """A value of a table as text."""
    if value is None:
        return ""
    return f"{value:.3f}" if isinstance(value, float) else str(value)
