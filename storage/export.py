"""A query's result as bytes for other programs: csv, json lines or Parquet."""

from __future__ import annotations

import io
import json
from typing import Literal

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq


def export(result: pa.Table, output: Literal["csv", "json", "parquet"]) -> bytes:
    """The table's bytes; json is one object a line, nested columns become JSON text in csv."""
    if output == "json":
        return "".join(json.dumps(row, default=str) + "\n" for row in result.to_pylist()).encode()
    buffer = io.BytesIO()
    if output == "csv":
        pyarrow.csv.write_csv(_flat(result), buffer)
    else:
        pq.write_table(result, buffer)
    return buffer.getvalue()


def _flat(result: pa.Table) -> pa.Table:
    for i, field in enumerate(result.schema):
        if pa.types.is_nested(field.type):
            texts = [json.dumps(value, default=str) for value in result.column(i).to_pylist()]
            result = result.set_column(i, field.name, pa.array(texts))
    return result
