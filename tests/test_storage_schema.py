"""Records to Parquet and back: every table, every column, and what is refused."""

from __future__ import annotations

import dataclasses
import io
import math
import types
import typing
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from storage import schema
from storage.records import Curated, Dropped, HintTrace, Rollout
from storage.schema import TABLES
from storage.shards import parquet_bytes, parquet_table

ARRAYS = {
    "prompt_token_ids": np.int32,
    "response_token_ids": np.int32,
    "engine_logprobs": np.float32,
    "frame_indices": np.int64,
    "masked_frames": np.int64,
    "marked_frames": np.int64,
    "old_logps": np.float32,
    "ref_logps": np.float32,
}
INT64 = st.integers(-(2**63), 2**63 - 1)
FINITE = st.floats(allow_nan=False, allow_infinity=False)
PARTS = ("reward", "reward_format", "reward_accuracy", "reward_iou")
SCORED = [(table, name) for table in ("rollouts", "curated", "evaluations") for name in PARTS]
SCORED += [(table, name) for table in ("rollouts", "curated") for name in ("max_reward", "level")]
SCORED += [("hint_traces", "reward"), ("augmentations", "level")]
SCORED += [("difficulty", name) for name in ("mean_reward", "window_reward", "difficulty", "level")]


def is_optional(hint: Any) -> bool:
    return typing.get_origin(hint) in (types.UnionType, typing.Union)


def strategy(name: str, hint: Any) -> st.SearchStrategy[Any]:
    """Any value that the annotation allows."""
    if dataclasses.is_dataclass(hint):
        return record_strategy(typing.cast(type, hint))
    if name in ARRAYS:
        dtype = np.dtype(ARRAYS[name])
        elements = hnp.from_dtype(dtype, allow_nan=False)
        return hnp.arrays(dtype, st.integers(0, 6), elements=elements)
    if is_optional(hint):
        return st.one_of(*(strategy(name, part) for part in typing.get_args(hint)))
    if typing.get_origin(hint) is typing.Literal:
        return st.sampled_from(typing.get_args(hint))
    if hint == tuple[str, ...]:
        return st.lists(st.text(), max_size=4).map(tuple)
    if hint == tuple[tuple[float, float], ...]:
        return st.lists(st.tuples(FINITE, FINITE), max_size=3).map(tuple)
    return {str: st.text(), int: INT64, float: FINITE, bool: st.booleans(), type(None): st.none()}[hint]


def record_strategy(record: type) -> st.SearchStrategy[Any]:
    return st.builds(record, **{name: strategy(name, hint) for name, hint in typing.get_type_hints(record).items()})


def make(record: type, **changes: Any) -> Any:
    """One plain instance; `changes` reach a record inside it."""
    values: dict[str, Any] = {}
    for name, hint in typing.get_type_hints(record).items():
        plain = next(part for part in (typing.get_args(hint) if is_optional(hint) else (hint,)))
        if dataclasses.is_dataclass(plain):
            values[name] = make(typing.cast(type, plain), **changes)
        elif name in changes:
            values[name] = changes[name]
        elif name in ARRAYS:
            values[name] = np.arange(3, dtype=ARRAYS[name])
        elif typing.get_origin(plain) is typing.Literal:
            values[name] = typing.get_args(plain)[0]
        elif typing.get_origin(plain) is tuple:
            values[name] = ()
        else:
            values[name] = {str: f"some {name}", int: 3, float: 0.25, bool: True}[plain]
    return record(**values)


def assert_same(found: Any, expected: Any) -> None:
    """Equal values of equal types, fields of records and elements of arrays included."""
    assert type(found) is type(expected)
    for field in dataclasses.fields(expected):
        a, b = getattr(found, field.name), getattr(expected, field.name)
        if dataclasses.is_dataclass(b):
            assert_same(a, b)
        elif isinstance(b, np.ndarray):
            assert a.dtype == b.dtype, field.name
            assert np.array_equal(a, b), field.name
        else:
            assert type(a) is type(b), field.name
            assert a == b, field.name


def columns(record: type) -> list[tuple[str, Any]]:
    """Name and annotation of each column, those of an inner record in place."""
    found: list[tuple[str, Any]] = []
    for name, hint in typing.get_type_hints(record).items():
        found += columns(typing.cast(type, hint)) if dataclasses.is_dataclass(hint) else [(name, hint)]
    return found


# Round trips


@pytest.mark.parametrize("table", TABLES)
@settings(max_examples=12, deadline=None)
@given(data=st.data())
def test_every_record_comes_back_from_parquet_as_it_was(table: str, data: st.DataObject) -> None:
    record = TABLES[table]
    rows = data.draw(st.lists(record_strategy(record), max_size=3))
    found = schema.from_table(record, parquet_table(parquet_bytes(table, rows)))
    assert len(found) == len(rows)
    for a, b in zip(found, rows, strict=True):
        assert_same(a, b)


@pytest.mark.parametrize("table", TABLES)
def test_a_file_on_disk_holds_the_record_s_schema_with_and_without_rows(table: str, tmp_path: Path) -> None:
    record = TABLES[table]
    for rows in ([], [make(record)]):
        path = tmp_path / f"{len(rows)}.parquet"
        path.write_bytes(parquet_bytes(table, rows))
        assert pq.read_table(path).num_rows == len(rows)
        assert pq.read_schema(path).equals(schema.schema(record))


def test_arrays_in_many_row_groups_keep_their_rows() -> None:
    """A chunked column: the rows of the second chunk do not read the first one's values."""
    rows = [make(Rollout, response_token_ids=np.full(i % 5, i, np.int32), group_index=i) for i in range(40)]
    buffer = io.BytesIO()
    pq.write_table(schema.to_table(Rollout, rows), buffer, row_group_size=7)
    found = schema.from_table(Rollout, parquet_table(buffer.getvalue()))
    assert [row.response_token_ids.tolist() for row in found] == [[i] * (i % 5) for i in range(40)]
    assert [row.group_index for row in found] == list(range(40))


# Columns


def test_column_names_are_field_names_and_pass_has_no_underscore() -> None:
    assert schema.schema(HintTrace).names == [field.name for field in dataclasses.fields(HintTrace)]
    for record in (Rollout, Dropped, Curated):
        assert "pass" in schema.schema(record).names
        assert "pass_" not in schema.schema(record).names
    assert schema.schema(Curated).names == ["position", *schema.schema(Rollout).names]


def test_types_of_columns() -> None:
    found = schema.schema(Rollout)
    expected = {
        "run_id": pa.string(),
        "pass": pa.string(),
        "round_index": pa.int64(),
        "reward": pa.float64(),
        "reward_iou": pa.float64(),
        "prompt_token_ids": pa.list_(pa.int32()),
        "engine_logprobs": pa.list_(pa.float32()),
        "frame_indices": pa.list_(pa.int64()),
    }
    assert {name: found.field(name).type for name in expected} == expected
    assert schema.schema(HintTrace).field("chosen").type == pa.bool_()
    assert schema.schema(TABLES["samples"]).field("spans").type == pa.list_(pa.list_(pa.float64()))


@pytest.mark.parametrize("table", TABLES)
def test_only_optional_fields_are_nullable_columns(table: str) -> None:
    record = TABLES[table]
    assert [field.nullable for field in schema.schema(record)] == [is_optional(hint) for _, hint in columns(record)]


@pytest.mark.parametrize("table", TABLES)
def test_none_is_stored_in_optional_columns_and_refused_in_others(table: str) -> None:
    record = TABLES[table]
    for name, hint in columns(record):
        row = make(record, **{name: None})
        if is_optional(hint):
            assert_same(schema.from_table(record, parquet_table(parquet_bytes(table, [row])))[0], row)
        else:
            with pytest.raises(ValueError, match=f"{name.rstrip('_')} is None"):
                parquet_bytes(table, [make(record), row])


# What is refused


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize(("table", "column"), SCORED)
def test_a_reward_that_is_no_number_is_refused_by_sample(table: str, column: str, value: float) -> None:
    record = TABLES[table]
    rows = [make(record, sample_id="fine"), make(record, **{column: value}, sample_id="video-7")]
    with pytest.raises(ValueError, match=rf"sample video-7: {column} is {value}"):
        parquet_bytes(table, rows)


def test_every_table_with_a_reward_is_checked() -> None:
    names = {*PARTS, "max_reward", "mean_reward", "window_reward", "difficulty", "level"}
    assert {(t, n) for t, record in TABLES.items() for n, _ in columns(record) if n in names} == set(SCORED)


def test_a_missing_list_is_refused_by_sample_and_never_stored_as_an_empty_one() -> None:
    rows = [make(Rollout, sample_id="fine"), make(Rollout, sample_id="video-7", response_token_ids=None)]
    with pytest.raises(ValueError, match="sample video-7: response_token_ids is None"):
        parquet_bytes("rollouts", rows)


@pytest.mark.parametrize("changes", [{"round_index": 2**63}, {"prompt_token_ids": np.array([2**31], np.int64)}])
def test_a_number_that_does_not_fit_its_column_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises((ValueError, OverflowError)):
        parquet_bytes("rollouts", [make(Rollout, **changes)])
