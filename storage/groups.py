"""Mean rewards of original groups, read from the rollout shards of a few rounds: what Eq. 9 starts from."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import duckdb
import pyarrow as pa

from storage.files import Files
from storage.records import Rollout
from storage.schema import schema
from storage.shards import Manifest

_SQL = """
select round_index, group_index, sample_id, avg(reward / max_reward) as mean_reward
from read_parquet(?) where pass = 'original'
group by round_index, group_index, sample_id order by group_index
"""


def group_rewards(files: Files, manifests: Sequence[Manifest]) -> pa.Table:
    """One row an original group: round_index, group_index, sample_id, mean_reward (of its type's maximum, 0 to 1)."""
    paths = [files.full(path) for manifest in manifests for path in manifest.table_files("rollouts")]
    # One thread, so that a mean is always summed in the same order.
    connection: Any = duckdb.connect(":memory:", config={"threads": 1})
    if not files.is_local:
        connection.register_filesystem(files.filesystem)
    if not paths:
        empty = schema(Rollout).empty_table().select(["round_index", "group_index", "sample_id"])
        return empty.append_column("mean_reward", pa.array([], pa.float64()))
    return connection.sql(_SQL, params=[paths]).to_arrow_table()
