"""The report of a run: one self-contained HTML file with its numbers, its pictures and where they came from."""

from __future__ import annotations

import html
import json
from typing import Any

from matplotlib.figure import Figure

from flows.pictures import RUN_PICTURES, data_url, difficulty_histogram
from flows.tables import validation_lines
from storage import layout
from storage.query import query
from storage.run import Run

MAX_HISTOGRAMS = 6
STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; color: #222 }
table { border-collapse: collapse; margin: 1rem 0; font-variant-numeric: tabular-nums }
td, th { padding: .2rem .7rem; border-bottom: 1px solid #ddd; text-align: right; font-weight: normal }
th { border-bottom: 2px solid #222; vertical-align: bottom }
div.wide { overflow-x: auto }
img { max-width: 100%; height: auto }
figure { margin: 1rem 0 } figcaption { color: #555 }
pre { background: #f6f6f6; padding: 1rem; overflow-x: auto }
"""
DROPPED = "select round_index, stage, reason, count(*) as samples from dropped group by all order by all"


def write_report(run: Run) -> str:
    """Writes `report.html` into the run, replacing the last one; returns its path or URL."""
    run.files.replace(layout.REPORT, report_html(run).encode())
    return run.files.full(layout.REPORT)


def report_html(run: Run) -> str:
    """The report as HTML that loads nothing from anywhere."""
    rounds = query(run, "from rounds").to_pylist()
    parts = [f"<h1>Run {run.identity.run_id}</h1><p>{html.escape(run.files.url)}</p>"]
    parts += [f"<p>{html.escape(line)}</p>" for line in validation_lines(run)]
    parts += ["<h2>Rounds</h2>", _table(rounds)]
    if rounds:
        for title, picture in RUN_PICTURES.items():
            parts += [f"<h2>{title}</h2>", _figure(picture(run), str(picture.__doc__))]
        parts.append("<h2>Difficulty</h2>")
        for row in rounds[-MAX_HISTOGRAMS:]:
            r = row["round_index"]
            parts.append(_figure(difficulty_histogram(run, r), f"Round {r}: {difficulty_histogram.__doc__}"))
    parts += ["<h2>Dropped</h2>", _table(query(run, DROPPED).to_pylist())]
    settings = html.escape(json.dumps(run.settings.config, indent=1))
    versions = {name: v for m in run.ledger.manifests() for name, v in m.info["versions"].items()}
    parts.append(f"<h2>Settings</h2><details><summary>show</summary><pre>{settings}</pre></details>")
    parts.append(f"<h2>Versions</h2>{_table([versions] if versions else [])}")
    body = "\n".join(parts)
    head = f'<meta charset="utf-8"><title>Run {run.identity.run_id}</title><style>{STYLE}</style>'
    return f'<!doctype html>\n<html lang="en"><head>{head}</head><body>\n{body}\n</body></html>\n'


def _table(rows: list[dict[str, Any]]) -> str:
    if not rows:
        return "<p>none</p>"
    head = "".join(f"<th>{html.escape(name).replace('_', '<br>')}</th>" for name in rows[0])
    body = "".join("<tr>" + "".join(f"<td>{_cell(v)}</td>" for v in row.values()) + "</tr>" for row in rows)
    return f'<div class="wide"><table><tr>{head}</tr>{body}</table></div>'


def _cell(value: Any) -> str:
    if value is None:
        return ""
    return f"{value:.3f}" if isinstance(value, float) else html.escape(str(value))


def _figure(picture: Figure, caption: str) -> str:
    first = html.escape(caption.splitlines()[0])
    return f'<figure><img alt="{first}" src="{data_url(picture)}"><figcaption>{first}</figcaption></figure>'
