"""One Arrow schema a record, derived from its annotations; the conversions between records and Arrow tables.

A column has its field's name (`pass_` becomes `pass`). Plain Python types map by `_SCALARS`; arrays are listed by
name in `_LISTS`. A record inside a record (`Curated.rollout`, `Rollout.alteration`) contributes its columns in place.
"""

from __future__ import annotations

import dataclasses
import math
import types
import typing
from collections.abc import Iterable, Sequence
from typing import Any, TypeVar

import pyarrow as pa

from storage import records

SCHEMA_VERSION = 1

TABLES: dict[str, type] = {
    "samples": records.Sample,
    "rejected": records.Rejected,
    "selected": records.Selected,
    "rollouts": records.Rollout,
    "difficulty": records.Difficulty,
    "augmentations": records.Augmentation,
    "hint_traces": records.HintTrace,
    "dropped": records.Dropped,
    "curated": records.Curated,
    "old_logprobs": records.OldLogprobs,
    "train_steps": records.TrainStep,
    "train_rollouts": records.TrainRollout,
    "evaluations": records.Evaluation,
}

_SCALARS = {str: pa.string(), int: pa.int64(), float: pa.float64(), bool: pa.bool_()}
_LISTS = {
    "options": pa.list_(pa.string()),
    "spans": pa.list_(pa.list_(pa.float64())),
    "subtitles": pa.list_(pa.string()),
    "prompt_token_ids": pa.list_(pa.int32()),
    "response_token_ids": pa.list_(pa.int32()),
    "engine_logprobs": pa.list_(pa.float32()),
    "frame_indices": pa.list_(pa.int64()),
    "masked_frames": pa.list_(pa.int64()),
    "marked_frames": pa.list_(pa.int64()),
    "old_logps": pa.list_(pa.float32()),
    "ref_logps": pa.list_(pa.float32()),
}
_FINITE = (
    "reward", "reward_format", "reward_accuracy", "reward_iou", "max_reward",
    "mean_reward", "window_reward", "difficulty", "level",
)  # fmt: skip

R = TypeVar("R")


def schema(record: type) -> pa.Schema:
    """The Arrow schema of a record class."""
    return pa.schema([field for name, hint in typing.get_type_hints(record).items() for field in _fields(name, hint)])


def to_table(record: type, rows: Sequence[Any]) -> pa.Table:
    """The Arrow table of records of one class.

    Raises ValueError, with the sample, for a reward, difficulty or level that is not finite, and for None in a required
    field.
    """
    columns = schema(record)
    required = [column.name for column in columns if not column.nullable]
    flat = [dict(_flatten(row)) for row in rows]
    for row in flat:
        where = f"sample {row['sample_id']}" if "sample_id" in row else record.__name__
        for name in required:
            if row[name] is None:  # Arrow would store a missing list as an empty one
                raise ValueError(f"{where}: {name} is None; only optional fields may be left out")
        for name in _FINITE:
            value = row.get(name)
            if value is not None and not math.isfinite(value):
                raise ValueError(
                    f"{where}: {name} is {value}; it must be finite to be stored: check the reward and its weights"
                )
    return pa.table([pa.array([row[f.name] for row in flat], type=f.type) for f in columns], schema=columns)


def from_table(record: type[R], table: pa.Table) -> list[R]:
    """The records of an Arrow table that `to_table` made."""
    hints = typing.get_type_hints(record)
    columns = {name: _column(table, name) for name in table.column_names}
    return [_build(record, hints, columns, i) for i in range(table.num_rows)]


def _fields(name: str, hint: Any) -> Iterable[pa.Field]:
    if dataclasses.is_dataclass(hint):
        yield from schema(typing.cast(type, hint))
        return
    column = name.rstrip("_")
    if column in _LISTS:
        yield pa.field(column, _LISTS[column], nullable=False)
        return
    is_union = typing.get_origin(hint) in (types.UnionType, typing.Union)
    options = typing.get_args(hint) if is_union else (hint,)
    scalar = next(option for option in options if option is not type(None))
    if typing.get_origin(scalar) is typing.Literal:
        scalar = str
    yield pa.field(column, _SCALARS[scalar], nullable=type(None) in options)


def _flatten(row: Any) -> Iterable[tuple[str, Any]]:
    for field in dataclasses.fields(row):
        value = getattr(row, field.name)
        if dataclasses.is_dataclass(value):
            yield from _flatten(value)
        else:
            yield field.name.rstrip("_"), value


def _column(table: pa.Table, name: str) -> list[Any]:
    column = table.column(name)
    if name in _LISTS and pa.types.is_primitive(column.type.value_type):
        return [scalar.values.to_numpy(zero_copy_only=False) for scalar in column]
    return list(column.to_pylist())


def _build(record: type[R], hints: dict[str, Any], columns: dict[str, list[Any]], row: int) -> R:
    values: dict[str, Any] = {}
    for name, hint in hints.items():
        if dataclasses.is_dataclass(hint):
            values[name] = _build(typing.cast(type, hint), typing.get_type_hints(hint), columns, row)
            continue
        value = columns[name.rstrip("_")][row]
        values[name] = (
            tuple(tuple(v) if isinstance(v, list) else v for v in value) if isinstance(value, list) else value
        )
    return record(**values)
