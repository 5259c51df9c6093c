"""Fills in what the code knows better than a page: the commands with their options, the tables with their columns.

A page says where: a line `<!-- generated: commands -->`.
"""

import inspect
import re
from collections.abc import Iterator, Mapping, Sequence

from sphinx.application import Sphinx


def setup(app: Sphinx) -> dict[str, bool]:
    """Fills in every page as it is read."""
    app.connect("source-read", _fill)
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def _fill(app: Sphinx, page: str, source: list[str]) -> None:
    makers = {"commands": commands, "tables": tables}
    source[0] = re.sub(r"<!-- generated: (\w+) -->", lambda found: makers[found[1]](), source[0])


def commands() -> str:
    """Every command of `deepvideo`, in Markdown, as Typer describes it."""
    import typer.main
    from typer.cli import get_docs_for_click

    from flows.cli import app

    group = typer.main.get_command(app)
    context = typer.Context(group, info_name="deepvideo")
    text = "\n".join(
        get_docs_for_click(obj=command, ctx=context, name=name, call_prefix="deepvideo", indent=1)
        for name, command in group.commands.items()
    )
    parts = re.split(r"(`[^`\n]*`|```.*?```)", text, flags=re.S)  # code stays as it is; elsewhere < begins no tag
    return "".join(part if part.startswith("`") else part.replace("<", "&lt;") for part in parts)


def tables() -> str:
    """Every table of a run, in Markdown: what a row is and its columns, from the records and the views themselves."""
    import tempfile

    from storage import layout, shards
    from storage.query import query
    from storage.run import Identity, Run, Settings
    from storage.views import TEMPLATE

    views = re.findall(r"((?:^-- .+\n)*)create or replace view (\w+)", TEMPLATE.read_text("utf-8"), flags=re.M)
    with tempfile.TemporaryDirectory() as folder:
        run = Run.create(folder, Identity("0" * 64, "0" * 64, 0), Settings({}, {}))
        run.files.create(layout.samples_table(run.identity.data), shards.parquet_bytes("samples", []))
        return "\n".join(
            line
            for note, name in sorted(views, key=lambda view: view[1])
            for line in _table(name, note, query(run, f"describe {name}").to_pylist())
        )


def _table(name: str, note: str, columns: Sequence[Mapping[str, str]]) -> Iterator[str]:
    from storage import schema

    record = schema.TABLES.get(name)
    yield f"\n## {name}\n"
    if record:
        yield inspect.getdoc(record) + "\n"
    yield note.replace("-- ", "") + "\n"
    yield "| column | type |\n|---|---|"
    for column in columns:
        yield f"| `{column['column_name']}` | {column['column_type'].lower()} |"
