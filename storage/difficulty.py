"""Difficulty of a round's groups (arXiv:2506.07464, Eq. 9); the formula is `difficulty.sql` beside this file."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Literal, get_args

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

QUERY = Path(__file__).with_suffix(".sql").read_text(encoding="utf-8")
WindowUnit = Literal["samples", "rounds"]
_COLUMNS = ("round_index", "group_index", "sample_id", "mean_reward")


def difficulty(
    groups: pa.Table,
    *,
    round_index: int,
    window_size: int,
    window_unit: WindowUnit = "samples",
    absolute_reward: float | None = None,
) -> pa.Table:
    """Difficulty of round `round_index`: the window's mean reward minus each group's own; positive is hard.

    groups: one row a group: round_index, group_index (order of scoring, increasing over the run), sample_id,
        mean_reward. Rows in any order, further columns ignored.
    window_size: the window is the last so many groups of earlier rounds (the paper: 100).
    window_unit: with "rounds" it is every group of the last so many rounds before this one.
    absolute_reward: a constant to compare with instead of a window (the paper's ablation).

    Returns sample_id, mean_reward, window_reward (null while the window is empty; the constant if there is one),
    difficulty (0.0 while the window is empty) and window_groups (how many groups the window holds; 0 with a constant),
    in order of group_index.

    Raises ValueError for a missing column, a null, a mean reward that is no finite number, a repeated group_index, or a
    setting out of range.
    """
    if round_index < 0 or window_size < 1:
        raise ValueError(f"round_index={round_index}, window_size={window_size}: give a round from 0, a window from 1")
    if window_unit not in get_args(WindowUnit):
        raise ValueError(f'window_unit is {window_unit!r}: use "samples" or "rounds"')
    if absolute_reward is not None and not math.isfinite(absolute_reward):
        raise ValueError(f"absolute_reward is {absolute_reward}: give a finite number, or None for a window")
    _check(groups)
    # One thread, so that the mean is always summed in the same order.
    with duckdb.connect(":memory:", config={"threads": 1}) as connection:
        connection.register("groups", groups.select(list(_COLUMNS)))
        connection.execute("SET VARIABLE round_index = ?", [round_index])
        connection.execute("SET VARIABLE window_size = ?", [window_size])
        connection.execute("SET VARIABLE window_unit = ?", [window_unit])
        connection.execute("SET VARIABLE absolute_reward = ?", [absolute_reward])
        return connection.sql(QUERY).to_arrow_table()


def _check(groups: pa.Table) -> None:
    missing = [name for name in _COLUMNS if name not in groups.column_names]
    if missing:
        raise ValueError(f"groups lack {', '.join(missing)}; give {', '.join(_COLUMNS)}")
    for name in _COLUMNS[:3]:
        if groups[name].null_count:
            raise ValueError(
                f"{name} is null in {groups[name].null_count} of {groups.num_rows} groups; give each its {name}"
            )
    finite = pc.fill_null(pc.is_finite(groups["mean_reward"]), False)
    for row in groups.filter(pc.invert(finite)).slice(0, 1).to_pylist():
        raise ValueError(
            f"sample_id={row['sample_id']!r}, round_index={row['round_index']}: mean_reward is {row['mean_reward']}, "
            "not a finite number; grade its rollouts again"
        )
    if pc.count_distinct(groups["group_index"], mode="all").as_py() != groups.num_rows:
        raise ValueError("group_index repeats; number the groups over the whole run in their order of scoring")
