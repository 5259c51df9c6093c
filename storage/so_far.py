"""The rewards of a round so far: of every rollout shard that is committed, whether its stage is complete or not."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from storage.files import Files
from storage.inventory import read_attempt
from storage.shards import parquet_table

COLUMNS = ["pass", "group_id", "reward", "reward_accuracy"]
MEASURES = [("reward", "mean"), ("reward", "min"), ("reward", "max"), ("reward_accuracy", "mean")]


@dataclass(frozen=True)
class PassSoFar:
    """One pass of a round: means over its groups; vanishing: share of groups whose rewards are all equal."""

    name: str
    num_groups: int
    mean_reward: float
    accuracy: float
    vanishing: float


class RewardsSoFar:
    """Reads each shard once: what is committed never changes."""

    def __init__(self, files: Files) -> None:
        self._files = files
        self._groups: dict[str, list[dict[str, Any]]] = {}

    def passes(self, folders: Iterable[str]) -> list[PassSoFar]:
        """The passes found in the attempts in `folders`, in the order in which they are made."""
        paths = [shard.path for folder in folders for shard in self._shards(folder)]
        self._groups = {path: self._groups.get(path) or self._read(path) for path in paths}
        groups = [group for found in self._groups.values() for group in found]
        return [
            _summary(name, [g for g in groups if g["pass"] == name])
            for name in dict.fromkeys(g["pass"] for g in groups)
        ]

    def _shards(self, folder: str) -> list[Any]:
        return [shard for shard in read_attempt(self._files, folder).shards if shard.table == "rollouts"]

    def _read(self, path: str) -> list[dict[str, Any]]:
        """One row a group of a shard, which holds whole groups."""
        rows: list[dict[str, Any]] = (
            parquet_table(self._files.read(path), COLUMNS).group_by(COLUMNS[:2]).aggregate(MEASURES).to_pylist()
        )
        return rows


def _summary(name: str, groups: list[dict[str, Any]]) -> PassSoFar:
    num = len(groups)
    return PassSoFar(
        name=name,
        num_groups=num,
        mean_reward=sum(g["reward_mean"] for g in groups) / num,
        accuracy=sum(g["reward_accuracy_mean"] for g in groups) / num,
        vanishing=sum(g["reward_min"] == g["reward_max"] for g in groups) / num,
    )
