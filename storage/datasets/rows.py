"""Rows of annotation files: checked field by field, and a bad one named by file, line, field, value and rule."""

from __future__ import annotations

import csv
import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, NamedTuple, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from storage.errors import UserError
from storage.records import Rejected, Sample

OnBadRow = Literal["error", "report"]
M = TypeVar("M", bound="Row")


class Row(BaseModel):
    """Base of the shapes of rows: exact types, no field that is unknown or missing."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False, str_strip_whitespace=True)


class Place(NamedTuple):
    """Where a row is: its file, and its line from 1 or its key."""

    file: Path
    line: int | str


class BadRow(UserError):
    """A row breaks a rule of its file."""

    def __init__(self, rejected: Rejected) -> None:
        super().__init__(f"{rejected}; mend the row, or give data.on_bad_row = report to go on without it")
        self.rejected = rejected


@dataclass(frozen=True)
class Loaded:
    """What an adapter made of its files: the samples in their order, the rows that became none, oddities by name."""

    samples: list[Sample] = field(default_factory=list)
    rejected: list[Rejected] = field(default_factory=list)
    oddities: Counter[str] = field(default_factory=Counter)


def checked(kind: type[M], values: Any, file: Path, line: int | str) -> M:
    """`values` as a row of `kind`; BadRow names the first field that is not as it must be."""
    try:
        return kind.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        name = ".".join(map(str, first["loc"])) or "the row"
        value = None if first["type"] == "missing" else first["input"]
        rule = first["msg"].removeprefix("Value error, ")
        raise bad(file, line, name, value, rule[:1].lower() + rule[1:]) from error


def bad(file: Path, line: int | str, name: str, value: object, rule: str) -> BadRow:
    """The error of one field of one row."""
    shown = json.dumps(value, default=str, ensure_ascii=False)
    return BadRow(Rejected(str(file), str(line), name, shown if len(shown) <= 80 else f"{shown[:77]}...", rule))


def csv_rows(file: Path) -> Iterator[tuple[int, dict[str | None, Any]]]:
    """Each row of a CSV file with the number of the line it ends on; a row too long has the key None."""
    with open(file, newline="", encoding="utf-8") as lines:
        reader = csv.DictReader(lines, strict=True)
        for row in reader:
            yield reader.line_num, row


def read_json(file: Path) -> Any:
    """The contents of a JSON file; UserError where it is none."""
    try:
        return json.loads(file.read_bytes())
    except (OSError, ValueError) as error:
        raise UserError(f"{file}: cannot be read as JSON ({error}); give the data set's own file") from error
