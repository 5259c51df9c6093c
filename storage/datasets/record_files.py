"""Records of annotation files, one at a time: JSON lines, a JSON list, a JSON object of records, or Parquet."""

from __future__ import annotations

import json
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import ijson
import pyarrow as pa
import pyarrow.parquet as pq

from storage.datasets.rows import Place, bad
from storage.errors import UserError

Records = Iterator[tuple[Place, Any]]
"""Where each record is, and its values; BadRow in their place for a line that holds none."""
BATCH_ROWS = 256


def records(file: Path) -> Records:
    """The records of `file`: a line of JSON, an item of a JSON list or a row of Parquet, as its name ends.

    A line counts from 1, an item and a row from 0. UserError where the file cannot be read to its end. Half a
    surrogate pair in a list is read as a question mark.
    """
    readers = {".jsonl": _json_lines, ".json": _json_list, ".parquet": _parquet}
    if file.suffix not in readers:
        raise UserError(f"{file}: records are read from {', '.join(readers)}; give the data set's own file")
    try:
        yield from readers[file.suffix](file)
    except (OSError, ijson.JSONError, pa.ArrowException) as error:
        raise _unreadable(file, error) from error


def annotation_files(path: Path, pattern: str) -> list[Path]:
    """`path` itself, or the files in it that are named like `pattern`, in the order of their names."""
    found = sorted(path.glob(pattern)) if path.is_dir() else [path]
    if not found:
        raise UserError(f"{path}: no {pattern} in it; give a file, or the folder that holds the data set's own")
    return found


def members(file: Path) -> Iterator[tuple[str, Any]]:
    """Name and value of each member of the JSON object in `file`, also of two of one name; UserError as `records`."""
    try:
        with open(file, "rb") as data:
            _check_start(data.peek(64), b"{", file)
            for name, value in ijson.kvitems(data, ""):
                yield name, _floats(value)
    except (OSError, ijson.JSONError) as error:
        raise _unreadable(file, error) from error


def _unreadable(file: Path, error: Exception) -> UserError:
    reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error).partition("\n")[0]
    return UserError(f"{file}: cannot be read ({reason.strip()}); give the data set's own file")


def _json_lines(file: Path) -> Records:
    with open(file, "rb") as lines:
        for number, line in enumerate(lines, 1):
            place = Place(file, number)
            try:
                yield place, json.loads(line)
            except (ValueError, RecursionError) as error:
                text = line.decode(errors="replace").strip()
                yield place, bad(*place, "the row", text, f"JSON on one line: {error}")


def _json_list(file: Path) -> Records:
    with open(file, "rb") as data:
        _check_start(data.peek(64), b"[", file)
        for index, values in enumerate(ijson.items(data, "item")):
            yield Place(file, f"[{index}]"), _floats(values)


def _floats(value: Any) -> Any:
    """`value` with floats for decimals. ijson's own floats have 64-bit integers beside them: a longer one ends it."""
    if isinstance(value, dict):
        return {name: _floats(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_floats(item) for item in value]
    return float(value) if isinstance(value, Decimal) else value


def _parquet(file: Path) -> Records:
    index = 0
    with pq.ParquetFile(file) as table:
        for batch in table.iter_batches(BATCH_ROWS):
            for values in batch.to_pylist():
                yield Place(file, f"[{index}]"), values
                index += 1


def _check_start(data: bytes, bracket: bytes, file: Path) -> None:
    if not data.lstrip().startswith(bracket):
        kind = {b"[": "a list of records", b"{": "an object of records"}[bracket]
        raise UserError(f"{file}: it is not {kind}; give the data set's own file")
