"""A query's result as bytes for other programs: csv, json lines or Parquet."""

from __future__ import annotations

import io
import json
import math
from decimal import Decimal
from typing import Any, Literal

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq


def export(result: pa.Table, output: Literal["csv", "json", "parquet"]) -> bytes:
    """The table's bytes; json is one object a line, nested columns become JSON text in csv."""
    result = _without_intervals(result)
    if output == "json":
        return "".join(_json(row) + "\n" for row in result.to_pylist()).encode()
    buffer = io.BytesIO()
    if output == "csv":
        pyarrow.csv.write_csv(_flat(result), buffer)
    else:
        pq.write_table(result, buffer)
    return buffer.getvalue()


def _without_intervals(result: pa.Table) -> pa.Table:
    """The table with its INTERVAL columns as text, which neither csv nor Parquet nor JSON has a type for."""
    for i, field in enumerate(result.schema):
        if pa.types.is_interval(field.type):
            texts = [None if v is None else _interval(*v) for v in result.column(i).to_pylist()]
            result = result.set_column(i, field.name, pa.array(texts, pa.string()))
    return result


def _interval(months: int, days: int, nanoseconds: int) -> str:
    parts = ((months, "months"), (days, "days"), (nanoseconds / 1e9, "seconds"))
    return ", ".join(f"{value:g} {unit}" for value, unit in parts if value) or "0 seconds"


def _flat(result: pa.Table) -> pa.Table:
    for i, field in enumerate(result.schema):
        if pa.types.is_nested(field.type):
            texts = [_json(value) for value in result.column(i).to_pylist()]
            result = result.set_column(i, field.name, pa.array(texts))
    return result


def _json(value: Any) -> str:
    return json.dumps(_plain(value), default=str, allow_nan=False)


def _plain(value: Any) -> Any:
    """`value` in what JSON has: numbers instead of decimals (a sum of integers is one), null instead of NaN."""
    if isinstance(value, dict):
        return {name: _plain(part) for name, part in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(part) for part in value]
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    return None if isinstance(value, float) and not math.isfinite(value) else value
