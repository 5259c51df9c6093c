"""SQL over a run: one reading statement against the views, in a DuckDB that can open nothing but the run's shards."""

from __future__ import annotations

from typing import Any

import duckdb
import pyarrow as pa

from storage import schema
from storage.errors import UserError
from storage.run import Run
from storage.views import table_files, views_sql


def connect(run: Run, question: str = "") -> Any:
    """An in-memory DuckDB connection with the views of `run` that `question` names (all if it names none).

    It cannot write, nor read any other file.
    """
    connection = duckdb.connect(":memory:")
    if not run.files.is_local:
        connection.register_filesystem(run.files.filesystem)
    connection.execute(views_sql(run, run.files.full, question))
    allowed = [run.files.full(path) for table in schema.TABLES for path in table_files(run, table)]
    connection.execute("set allowed_paths = ?", [allowed])
    connection.execute("set enable_external_access = false")
    connection.execute("set lock_configuration = true")
    return connection


def query(run: Run, sql: str) -> pa.Table:
    """The result of one SELECT (or EXPLAIN without ANALYZE). UserError for any other statement or a wrong query."""
    try:
        kinds = [statement.type for statement in duckdb.extract_statements(sql)]
    except (duckdb.Error, ValueError) as error:  # ValueError: a statement that DuckDB's Python side has no name for
        raise UserError(f"this is not SQL that DuckDB understands: {_first_line(error)}") from error
    explain = duckdb.StatementType.EXPLAIN
    if len(kinds) != 1 or kinds[0] not in (duckdb.StatementType.SELECT, explain):
        found = ", ".join(kind.name for kind in kinds) or "nothing"
        raise UserError(f"one SELECT (or EXPLAIN) at a time, found {found}; `deepvideo sql` only reads")
    if kinds[0] == explain and "analyze" in sql.lower():
        raise UserError("EXPLAIN ANALYZE runs its statement; use EXPLAIN alone: `deepvideo sql` only reads")
    try:
        return connect(run, sql).sql(sql).to_arrow_table()
    except duckdb.Error as error:
        raise UserError(f"the query failed: {_first_line(error)}") from error


def _first_line(error: Exception) -> str:
    return " ".join(str(error).split("\n\n")[0].split())
