"""Eq. 9: by hand, against a loop in Python, and the SQL file's own example pasted into a shell."""

import math
from typing import Any

import duckdb
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from storage.difficulty import QUERY, WindowUnit, difficulty

Row = tuple[int, int, str, float | None]


def table(rows: list[Row]) -> pa.Table:
    names = ("round_index", "group_index", "sample_id", "mean_reward")
    types = (pa.int64(), pa.int64(), pa.string(), pa.float64())
    columns = zip(*rows, strict=True) if rows else ([] for _ in names)
    return pa.table({n: pa.array(list(c), t) for n, t, c in zip(names, types, columns, strict=True)})


def loop(rows: list[Row], round_index: int, window_size: int, unit: str = "samples") -> list[dict[str, object]]:
    """Eq. 9 in plain Python."""
    buffer: list[float] = []
    result: list[dict[str, object]] = []
    for row_round, _, _, reward in sorted(rows, key=lambda row: row[1]):
        if unit == "samples" and row_round < round_index:
            buffer = [*buffer, reward or 0.0][-window_size:]
        if unit == "rounds" and row_round in range(round_index - window_size, round_index):
            buffer.append(reward or 0.0)
    for row_round, _, sample_id, reward in sorted(rows, key=lambda row: row[1]):
        if row_round == round_index:
            mean = math.fsum(buffer) / len(buffer) if buffer else None
            delta = 0.0 if mean is None else mean - (reward or 0.0)
            result.append(
                {
                    "sample_id": sample_id,
                    "mean_reward": reward,
                    "window_reward": mean,
                    "difficulty": delta,
                    "window_groups": len(buffer),
                }
            )
    return result


ROUNDS: list[Row] = [
    (0, 0, "a", 2.0),
    (0, 1, "b", 0.0),
    (1, 2, "a", 1.0),
    (1, 3, "c", 0.5),
    (2, 4, "b", 1.0),
    (2, 5, "c", 0.25),
]


@pytest.mark.parametrize(
    ("round_index", "window_size", "window_reward", "window_groups", "deltas"),
    [
        (0, 100, None, 0, [0.0, 0.0]),  # no history: nothing is hard, nothing easy
        (1, 100, 1.0, 2, [0.0, 0.5]),  # the window is larger than the history
        (2, 100, 0.875, 4, [-0.125, 0.625]),
        (2, 3, 0.5, 3, [-0.5, 0.25]),  # across a round's border
        (2, 2, 0.75, 2, [-0.25, 0.5]),
        (2, 1, 0.5, 1, [-0.5, 0.25]),  # a round larger than the window keeps its last groups
        (3, 100, None, 0, []),  # a round without groups
    ],
)
def test_eq_9_by_hand(
    round_index: int, window_size: int, window_reward: float | None, window_groups: int, deltas: list[float]
) -> None:
    result = difficulty(table(ROUNDS), round_index=round_index, window_size=window_size).to_pylist()
    assert [row["difficulty"] for row in result] == deltas
    assert {row["window_reward"] for row in result} <= {window_reward}
    assert {row["window_groups"] for row in result} <= {window_groups}


@pytest.mark.parametrize(
    ("round_index", "window_size", "window_reward", "window_groups", "deltas"),
    [
        (0, 1, None, 0, [0.0, 0.0]),  # no history
        (1, 1, 1.0, 2, [0.0, 0.5]),
        (2, 1, 0.75, 2, [-0.25, 0.5]),  # round 1 as a whole
        (2, 2, 0.875, 4, [-0.125, 0.625]),
        (2, 100, 0.875, 4, [-0.125, 0.625]),  # the window is larger than the history
        (3, 1, None, 0, []),
    ],
)
def test_a_window_of_rounds_by_hand(
    round_index: int, window_size: int, window_reward: float | None, window_groups: int, deltas: list[float]
) -> None:
    found = difficulty(table(ROUNDS), round_index=round_index, window_size=window_size, window_unit="rounds")
    assert found["difficulty"].to_pylist() == deltas
    assert set(found["window_reward"].to_pylist()) <= {window_reward}
    assert set(found["window_groups"].to_pylist()) <= {window_groups}


def test_a_round_without_groups_counts_as_a_round() -> None:
    rows: list[Row] = [(0, 0, "a", 1.0), (2, 1, "a", 0.5)]
    for size, reward in ((1, None), (2, 1.0)):
        found = difficulty(table(rows), round_index=2, window_size=size, window_unit="rounds")
        assert found["window_reward"].to_pylist() == [reward]


@pytest.mark.parametrize("unit", ["samples", "rounds"])
@pytest.mark.parametrize(("round_index", "deltas"), [(0, [-1.5, 0.5]), (1, [-0.5, 0.0]), (2, [-0.5, 0.25])])
def test_an_absolute_reference_needs_no_history(unit: WindowUnit, round_index: int, deltas: list[float]) -> None:
    for rows in (ROUNDS, [row for row in ROUNDS if row[0] == round_index]):
        found = difficulty(
            table(rows), round_index=round_index, window_size=1, window_unit=unit, absolute_reward=0.5
        ).to_pylist()
        assert [row["difficulty"] for row in found] == deltas
        assert {(row["window_reward"], row["window_groups"]) for row in found} == {(0.5, 0)}


def test_a_constant_of_zero_is_a_constant() -> None:
    found = difficulty(table(ROUNDS), round_index=2, window_size=100, absolute_reward=0.0)
    assert found["difficulty"].to_pylist() == [-1.0, -0.25]


def test_types_and_order_of_columns() -> None:
    for rows in (ROUNDS, []):
        schema = difficulty(table(rows), round_index=1, window_size=3).schema
        assert schema.names == ["sample_id", "mean_reward", "window_reward", "difficulty", "window_groups"]
        assert schema.types == [pa.string(), pa.float64(), pa.float64(), pa.float64(), pa.int64()]


def test_rows_come_in_order_of_scoring_whatever_order_they_are_given_in() -> None:
    rows: list[Row] = [(1, 7, "x", 1.0), (0, 1, "z", 0.5), (1, 5, "y", 0.0), (0, 3, "w", 1.0), (1, 6, "a", 0.5)]
    result = difficulty(table(rows), round_index=1, window_size=1).to_pylist()
    assert [row["sample_id"] for row in result] == ["y", "a", "x"]
    assert {row["window_reward"] for row in result} == {1.0}


def test_later_rounds_and_the_own_round_are_never_in_the_window() -> None:
    alone = difficulty(table(ROUNDS[:4]), round_index=1, window_size=100)
    assert alone == difficulty(table(ROUNDS), round_index=1, window_size=100)
    changed: list[Row] = [(r, g, s, 9.0 if r == 1 else m) for r, g, s, m in ROUNDS]
    assert difficulty(table(changed), round_index=1, window_size=100)["window_reward"] == alone["window_reward"]


@st.composite
def histories(draw: st.DrawFn) -> list[Row]:
    sizes = draw(st.lists(st.integers(0, 6), min_size=1, max_size=5))
    rounds = [index for index, size in enumerate(sizes) for _ in range(size)]
    steps = draw(st.lists(st.integers(1, 3), min_size=len(rounds), max_size=len(rounds)))
    rewards = draw(st.lists(st.floats(0.0, 3.0), min_size=len(rounds), max_size=len(rounds)))
    indices = [sum(steps[: position + 1]) for position in range(len(rounds))]
    rows: list[Row] = [(r, g, f"s{g % 4}", m) for r, g, m in zip(rounds, indices, rewards, strict=True)]
    return draw(st.permutations(rows))


@settings(deadline=None, max_examples=60)
@given(histories(), st.integers(0, 5), st.integers(1, 12), st.sampled_from(["samples", "rounds"]))
def test_eq_9_against_a_loop(rows: list[Row], round_index: int, window_size: int, unit: WindowUnit) -> None:
    found = difficulty(table(rows), round_index=round_index, window_size=window_size, window_unit=unit)
    result, expected = found.to_pylist(), loop(rows, round_index, window_size, unit)
    assert len(result) == len(expected)
    for found, row in zip(result, expected, strict=True):
        assert found == {
            key: pytest.approx(value, abs=1e-12) if isinstance(value, float) else value for key, value in row.items()
        }


def test_the_header_examples_paste_into_a_shell_and_give_what_they_say() -> None:
    header = QUERY[: QUERY.index("*/")]
    settings_of: list[dict[str, Any]] = [
        {"round_index": 2, "window_size": 3},
        {"round_index": 2, "window_size": 1, "window_unit": "rounds"},
        {"round_index": 0, "window_size": 1, "absolute_reward": 0.75},
    ]
    with duckdb.connect() as shell:
        for example, chosen in zip(header.split("Setup:\n")[1:], settings_of, strict=True):
            setup, expected = example.split("Expected", 1)
            lines = [[cell.strip() for cell in line.split("|")] for line in expected.splitlines() if "|" in line]
            shell.execute(setup)
            result = shell.execute(QUERY)
            assert [column[0] for column in result.description] == lines[0]
            assert [[str(value) for value in row] for row in result.fetchall()] == lines[1:]
            found = difficulty(shell.sql("SELECT * FROM groups").to_arrow_table(), **chosen).to_pylist()
            assert [[str(value) for value in row.values()] for row in found] == lines[1:]


@pytest.mark.parametrize("reward", [float("nan"), None, float("inf"), float("-inf")])
@pytest.mark.parametrize("position", [0, 5])
def test_a_mean_reward_that_is_no_number_is_refused_by_name(reward: float | None, position: int) -> None:
    rows = [(r, g, f"sample {g}", reward if g == position else m) for r, g, _, m in ROUNDS]
    with pytest.raises(ValueError, match=f"'sample {position}'.*mean_reward"):
        difficulty(table(rows), round_index=2, window_size=3)


def test_keys_must_be_complete() -> None:
    with pytest.raises(ValueError, match="lack group_index, mean_reward"):
        difficulty(table(ROUNDS).select(["round_index", "sample_id"]), round_index=1, window_size=3)
    with pytest.raises(ValueError, match="group_index repeats"):
        difficulty(table([*ROUNDS, (2, 5, "d", 1.0)]), round_index=2, window_size=3)
    missing = table(ROUNDS).set_column(0, "round_index", pa.array([0, None, 1, 1, 2, 2]))
    with pytest.raises(ValueError, match="round_index is null in 1 of 6"):
        difficulty(missing, round_index=2, window_size=3)


@pytest.mark.parametrize(("round_index", "window_size"), [(-1, 3), (0, 0), (0, -5)])
def test_settings_out_of_range_are_refused(round_index: int, window_size: int) -> None:
    with pytest.raises(ValueError, match=f"round_index={round_index}, window_size={window_size}"):
        difficulty(table(ROUNDS), round_index=round_index, window_size=window_size)


def test_a_unit_or_a_constant_that_means_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match='window_unit is \'steps\': use "samples" or "rounds"'):
        difficulty(table(ROUNDS), round_index=1, window_size=3, window_unit="steps")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="absolute_reward is nan"):
        difficulty(table(ROUNDS), round_index=1, window_size=3, absolute_reward=float("nan"))


def test_further_columns_and_narrow_types_are_accepted() -> None:
    groups = table(ROUNDS).append_column("label", pa.array(["kept"] * 6))
    narrow = groups.set_column(3, "mean_reward", groups["mean_reward"].cast(pa.float32()))
    narrow = narrow.set_column(0, "round_index", groups["round_index"].cast(pa.int32()))
    assert difficulty(narrow, round_index=2, window_size=3) == difficulty(groups, round_index=2, window_size=3)
