"""Mean rewards of original groups, read from the rollout shards of a few rounds: what Eq. 9 starts from."""

from __future__ import annotations

from collections.abc import Sequence

import duckdb
import pyarrow as pa

from storage.files import Files
from storage.records import Rollout
from storage.schema import schema
from storage.shards import Manifest, read_columns

_COLUMNS = ["round_index", "group_index", "sample_id", "pass", "reward", "max_reward"]
_SQL = """
select round_index, group_index, sample_id, avg(reward / max_reward) as mean_reward
from rollouts where pass = 'original'
group by round_index, group_index, sample_id order by group_index
"""


def group_rewards(files: Files, manifests: Sequence[Manifest]) -> pa.Table:
    """One row an original group: round_index, group_index, sample_id, mean_reward (of its type's maximum, 0 to 1).

    DamagedRun if a shard's bytes are not those that were committed.
    """
    shards = [part for manifest in manifests for part in read_columns(files, "rollouts", manifest, _COLUMNS)]
    empty = schema(Rollout).empty_table().select(_COLUMNS)
    # One thread, so that a mean is always summed in the same order.
    with duckdb.connect(":memory:", config={"threads": 1}) as connection:
        connection.register("rollouts", pa.concat_tables([empty, *shards]))
        return connection.sql(_SQL).to_arrow_table()
