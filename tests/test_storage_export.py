"""Query results as csv, json lines and Parquet, read back by their own readers."""

from __future__ import annotations

import csv
import io
import json
from decimal import Decimal
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from storage.export import export

MIXED = pa.table(
    {
        "name": ['comma, "quote"', "line\nbreak", "", None],
        "count": [1, -2, None, 2**62],
        "share": [0.1, 1e-300, -0.0, None],
        "flag": [True, False, None, True],
        "ids": [[1, 2], [], None, [3]],
        "spans": [[[0.5, 1.0]], [], [[2.0, 3.0], [4.0, 5.0]], None],
    }
)


def json_rows(table: pa.Table) -> list[dict[str, Any]]:
    return [json.loads(line, parse_constant=pytest.fail) for line in export(table, "json").decode().splitlines()]


def csv_rows(table: pa.Table) -> list[list[str]]:
    return list(csv.reader(io.StringIO(export(table, "csv").decode(), newline="")))


def test_json_is_one_object_a_line_with_every_value() -> None:
    assert json_rows(MIXED) == MIXED.to_pylist()


def test_parquet_holds_the_same_table() -> None:
    assert pq.read_table(io.BytesIO(export(MIXED, "parquet"))).equals(MIXED)


def test_csv_has_a_header_quotes_text_and_writes_nested_values_as_json() -> None:
    header, *rows = csv_rows(MIXED)
    assert header == MIXED.column_names
    assert rows[0] == ['comma, "quote"', "1", "0.1", "true", "[1, 2]", "[[0.5, 1.0]]"]
    assert rows[1][0] == "line\nbreak"
    assert [json.loads(row[5]) for row in rows] == MIXED["spans"].to_pylist()
    assert [int(row[1]) if row[1] else None for row in rows] == MIXED["count"].to_pylist()


def test_a_sum_of_integers_is_a_number_in_json() -> None:
    result = duckdb.sql("select sum(x) as total, sum(x / 4.0) as quarter, 1.5 as d from (values (3), (4)) t(x)")
    table = result.to_arrow_table()
    assert isinstance(table["total"][0].as_py(), Decimal)
    assert export(table, "json") == b'{"total": 7, "quarter": 1.75, "d": 1.5}\n'


def test_what_json_has_no_word_for_is_null_at_every_depth() -> None:
    numbers = [float("nan"), float("inf"), -float("inf"), 1.0]
    table = pa.table({"x": [*numbers], "deep": [[{"y": [n]}] for n in numbers]})
    expected = [None, None, None, 1.0]
    assert json_rows(table) == [{"x": value, "deep": [{"y": [value]}]} for value in expected]


def test_times_are_text_in_json_and_csv() -> None:
    table = duckdb.sql("select timestamp '2026-01-02 03:04:05' as t, date '2026-01-02' as d").to_arrow_table()
    assert json_rows(table) == [{"t": "2026-01-02 03:04:05", "d": "2026-01-02"}]
    ((time, day),) = csv_rows(table)[1:]
    assert time.startswith("2026-01-02 03:04:05")
    assert day == "2026-01-02"


def test_no_rows_give_a_csv_header_no_json_line_and_a_parquet_schema() -> None:
    empty = MIXED.slice(0, 0)
    assert csv_rows(empty) == [MIXED.column_names]
    assert export(empty, "json") == b""
    assert pq.read_table(io.BytesIO(export(empty, "parquet"))).schema.equals(MIXED.schema)


def test_exporting_leaves_the_table_as_it_was() -> None:
    before = MIXED.to_pylist()
    for output in ("csv", "json", "parquet"):
        export(MIXED, output)  # type: ignore[arg-type]
    assert MIXED.to_pylist() == before


def test_intervals_become_text() -> None:
    sql = "select interval 90 second as a, interval '1 month 2 days' as b, null::interval as c"
    table = duckdb.sql(sql).to_arrow_table()
    expected = {"a": "90 seconds", "b": "1 months, 2 days", "c": None}
    assert json.loads(export(table, "json")) == expected
    assert list(csv.DictReader(io.StringIO(export(table, "csv").decode()))) == [{**expected, "c": ""}]
    assert pq.read_table(io.BytesIO(export(table, "parquet"))).to_pylist() == [expected]
