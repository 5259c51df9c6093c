"""SQL over a run: one reading statement against the views, in a DuckDB that can open nothing but the run's shards."""

from __future__ import annotations

import re
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
    connection.execute("set enable_progress_bar = false")  # it would go to standard output, into the result
    connection.execute("set temp_directory = ''")  # nothing is written, not even what does not fit into memory
    connection.execute("set enable_external_access = false")
    connection.execute("set lock_configuration = true")
    return connection


def query(run: Run, sql: str) -> pa.Table:
    """The result of one SELECT (or EXPLAIN without ANALYZE). UserError for any other statement or a wrong query."""
    try:
        kinds = [statement.type for statement in duckdb.extract_statements(sql)]
    except (duckdb.Error, ValueError) as error:  # ValueError: a statement that DuckDB's Python side has no name for
        raise UserError(f"this is not SQL that DuckDB understands: {_first_line(error)}; write one SELECT") from error
    explain = duckdb.StatementType.EXPLAIN
    if len(kinds) != 1 or kinds[0] not in (duckdb.StatementType.SELECT, explain):
        found = ", ".join(kind.name for kind in kinds) or "nothing"
        raise UserError(f"one SELECT (or EXPLAIN) at a time, found {found}; `deepvideo sql` only reads")
    if kinds[0] == explain and {"analyze", "analyse"} & _keywords(sql):
        raise UserError("EXPLAIN ANALYZE runs its statement; use EXPLAIN alone: `deepvideo sql` only reads")
    try:
        return _distinct_names(connect(run, sql).sql(sql).to_arrow_table())
    except duckdb.Error as error:
        raise UserError(f"the query failed: {_first_line(error)}; {_way_out(error)}") from error


def _way_out(error: duckdb.Error) -> str:
    if isinstance(error, duckdb.PermissionException):
        return "`deepvideo sql` reads the tables of its run alone"
    return '`deepvideo sql "show tables"` names the tables, "describe rollouts" the columns of one'


def _keywords(sql: str) -> set[str]:
    """The bare words of a statement: no comments, no strings, no quoted names."""
    tokens = duckdb.tokenize(sql)
    text, ends = sql.encode(), [start for start, _ in tokens[1:]] + [len(sql.encode())]
    word = (duckdb.token_type.keyword, duckdb.token_type.identifier)
    return {
        text[start:end].decode().strip().lower()
        for (start, kind), end in zip(tokens, ends, strict=True)
        if kind in word
    }


def _distinct_names(result: pa.Table) -> pa.Table:
    """The same columns; of several with one name the later ones end in _1, _2, as DuckDB names them in a subquery."""
    names: list[str] = []
    for name in result.column_names:
        number, unique = 0, name
        while unique in names:
            number += 1
            unique = f"{name}_{number}"
        names.append(unique)
    return result.rename_columns(names)


def _first_line(error: Exception) -> str:
    return " ".join(re.split(r"\n\n|Candidate functions:", str(error))[0].split())
