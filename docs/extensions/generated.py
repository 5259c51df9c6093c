"""Fills in what the code knows better than a page: the commands with their options, the tables with their columns.

A page says where: a line `<!-- generated: commands -->`.
"""

import re
from collections.abc import Iterator

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
    return text


def tables() -> str:
    """Every table of a run, in Markdown: what a row is and its columns, from the records and the views themselves."""
    return "\n".join(_tables())


def _tables() -> Iterator[str]:
    import tempfile

    from storage import layout, records, schema, shards
    from storage.query import query
    from storage.run import Identity, Run, Settings
    from storage.views import TEMPLATE

    template = TEMPLATE.read_text(encoding="utf-8")
    notes = re.findall(r"((?:^-- .+\n)*)create or replace view (\w+)", template, flags=re.M)
    with tempfile.TemporaryDirectory() as folder:
        run = Run.create(folder, Identity("0" * 64, "0" * 64, 0), Settings({}, {}))
        run.files.create(layout.samples_table(run.identity.data), shards.parquet_bytes("samples", []))
        for note, name in sorted(notes, key=lambda pair: pair[1]):
            record = schema.TABLES.get(name)
            own = not note and record
            yield f"\n## {name}\n"
            yield (record.__doc__ if own else note.replace("-- ", "")).replace("    ", "").strip() + "\n"
            yield "| column | type |\n|---|---|"
            for row in query(run, f"describe {name}").to_pylist():
                yield f"| `{row['column_name']}` | {row['column_type'].lower()} |"
