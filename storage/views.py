"""The views a user queries, as SQL text: `views.sql` with each table's current shards filled in."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from pathlib import Path

from storage import layout
from storage.run import Run

TEMPLATE = Path(__file__).with_name("views.sql")


def views_sql(run: Run, name_file: Callable[[str], str], question: str = "") -> str:
    """The SQL that creates the views of `run`; `name_file` turns a path of the run into what DuckDB opens.

    Creating a view opens every file that it reads: with a `question` only the views that it names, and those that they
    are made of, are there; all of them if it names none.
    """

    def value(placeholder: re.Match[str]) -> str:
        table = placeholder[1]
        return _stage_rows(run) if table == "stages" else _sql_list(map(name_file, table_files(run, table)))

    header, *statements = re.split(r"(?=^create or replace view )", TEMPLATE.read_text(encoding="utf-8"), flags=re.M)
    needed = set(re.findall(r"\w+", question.lower()))
    if not needed & {_name(statement) for statement in statements}:
        needed = {_name(statement) for statement in statements}
    chosen: list[str] = []
    for statement in reversed(statements):  # a view reads only views before it
        if _name(statement) in needed:
            needed |= set(re.findall(r"\w+", statement))
            chosen.insert(0, re.sub(r"\{(\w+)\}", value, statement))
    return header + "".join(chosen)


def _name(statement: str) -> str:
    return statement.split()[4]


def table_files(run: Run, table: str) -> list[str]:
    """The run's files that hold `table` now: an empty one for its columns, then the current attempts' shards."""
    if table == "samples":
        return [layout.samples_table(run.identity.data)]
    found = [layout.empty_table(table)]
    if table == "rejected":
        there = layout.rejected_table(run.identity.data)
        return [*found, there] if run.files.exists(there) else found
    for address in run.ledger.addresses():
        manifest = run.ledger.current(address)
        found += manifest.table_files(table) if manifest else []
    return found


def write_views(run: Run) -> None:
    """Replaces the run's own `views.sql`, whose paths are relative to the run's directory."""
    if run.files.is_local:
        run.files.replace(layout.VIEWS, views_sql(run, lambda path: path).encode())


def _stage_rows(run: Run) -> str:
    types = ("bigint", "varchar", "varchar", "bigint", "boolean", "bigint", "double", "timestamp")
    rows = ["(" + ", ".join(f"null::{name}" for name in types) + ")"]
    for m in run.ledger.manifests():
        round_name, stage = m.address.split("/")
        current = run.ledger.current(m.address)
        is_current = current is not None and current.folder == m.folder
        ended = f"to_timestamp({m.info['ended']:.3f})::timestamp"
        seconds = f"{m.info['seconds']:.3f}"
        name = f"{int(round_name)}, '{stage}', '{m.key}', {m.number}"
        rows.append(f"({name}, {is_current}, {m.num_rows}, {seconds}, {ended})")
    return ",\n    ".join(rows)


def _sql_list(paths: Iterable[str]) -> str:
    return "[" + ", ".join("'" + path.replace("'", "''") + "'" for path in paths) + "]"
