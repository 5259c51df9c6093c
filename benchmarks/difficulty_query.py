"""Seconds to find one round's difficulties (Eq. 9) in a history of 1e5, 1e6 and 1e7 rollouts: ours, pandas, polars.

python benchmarks/difficulty_query.py [--quick] [--json FILE]

Ours reads the shards that hold the window, as manifests say; their digests are checked. The peers read the same files:
once the whole history, as one does without manifests, and once the window's files alone, which one must know first. All
five results are compared. Alternating, medians; files are in the page cache. `open_run` is what finding the manifests
costs: the ledger of all rounds, once a process.
"""

from __future__ import annotations

import argparse
import json
import platform
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from storage import schema, shards
from storage.difficulty import difficulty
from storage.files import Files
from storage.groups import group_rewards
from storage.layout import address
from storage.records import Rollout
from storage.seal import sealed
from storage.shards import Attempt, Manifest
from storage.staleness import Ledger, StageSettings

GROUPS_A_ROUND, GROUP_SIZE, WINDOW = 125, 8, 100  # 1,000 rollouts a round, the paper's window
COLUMNS = ["round_index", "group_index", "sample_id", "pass", "reward", "max_reward"]
STAGE = StageSettings(1, {})


def history(files: Files, num_rollouts: int) -> list[Manifest]:
    """Rounds of rollouts in the real schema with random rewards; responses of four tokens."""
    template = template_table()
    chance, manifests = np.random.default_rng(0), []
    for r in range(num_rollouts // len(template)):
        rewards = chance.integers(0, 3, len(template)).astype(float)
        table = with_column(template, "reward", pa.array(rewards))
        table = with_column(table, "round_index", pa.array([r] * len(table)))
        order = np.repeat(np.arange(GROUPS_A_ROUND) + r * GROUPS_A_ROUND, GROUP_SIZE)
        table = with_column(table, "group_index", pa.array(order))
        attempt = Attempt(files, address(r, "rollout"), "0" * 16, 0, STAGE.version, STAGE.settings, 0, {})
        sink = pa.BufferOutputStream()
        pq.write_table(table, sink, compression="zstd", row_group_size=8192)
        data = sink.getvalue().to_pybytes()
        files.create(f"{attempt.folder}/rollouts.parquet", data)
        part = {"file": "rollouts.parquet", "rows": len(table), "bytes": len(data), "sha256": shards.sha256_bytes(data)}
        files.create(f"{attempt.folder}/shard-00000.json", sealed({"rollouts": part}))
        manifests.append(attempt.commit(1, {}))
    return manifests


def template_table() -> pa.Table:
    """One round's rollouts, whose columns differ from round to round in three places alone."""
    columns = {}
    num_rows = GROUPS_A_ROUND * GROUP_SIZE
    samples = [f"sample-{i // GROUP_SIZE:05d}" for i in range(num_rows)]
    fixed = {"sample_id": samples, "pass": ["original"] * num_rows, "max_reward": [2.0] * num_rows}
    for field in schema.schema(Rollout):
        if field.name in fixed:
            values = fixed[field.name]
        elif pa.types.is_list(field.type):
            values = [[1, 2, 3, 4]] * num_rows
        elif pa.types.is_string(field.type) or pa.types.is_dictionary(field.type):
            values = ["text"] * num_rows
        else:
            values = [1] * num_rows
        columns[field.name] = pa.array(values).cast(field.type)
    return pa.table(columns, schema=schema.schema(Rollout))


def with_column(table: pa.Table, name: str, values: pa.Array) -> pa.Table:
    """The table with one column replaced, in its own type."""
    place = table.schema.get_field_index(name)
    return table.set_column(place, table.schema.field(place), values.cast(table.schema.field(place).type))


def ours(files: Files, manifests: list[Manifest], last: int) -> dict[str, float]:
    """The difficulties of round `last` from the manifests of the rounds that hold the window."""
    needed = manifests[
        max(0, last - 2) : last + 1
    ]  # flows.stage_specs.window_rounds: one round more than a window needs
    found = difficulty(group_rewards(files, needed), round_index=last, window_size=WINDOW)
    return dict(zip(found["sample_id"].to_pylist(), found["difficulty"].to_pylist(), strict=True))


def with_pandas(paths: list[str], last: int) -> dict[str, float]:
    """The same with pandas, over the files it is given."""
    frame = pd.concat([pd.read_parquet(path, columns=COLUMNS) for path in paths])
    frame = frame[frame["pass"] == "original"].assign(share=lambda rows: rows["reward"] / rows["max_reward"])
    groups = frame.groupby(["round_index", "group_index", "sample_id"], as_index=False)["share"].mean()
    window = groups[groups["round_index"] < last].nlargest(WINDOW, "group_index")["share"].mean()
    own = groups[groups["round_index"] == last]
    return dict(zip(own["sample_id"], window - own["share"], strict=True))


def with_polars(paths: list[str], last: int) -> dict[str, float]:
    """The same with polars' lazy scan, over the files it is given."""
    groups = (
        pl.scan_parquet(paths)
        .filter(pl.col("pass") == "original")
        .group_by("round_index", "group_index", "sample_id")
        .agg((pl.col("reward") / pl.col("max_reward")).mean().alias("share"))
        .collect()
    )
    window = (
        groups.filter(pl.col("round_index") < last).sort("group_index", descending=True).head(WINDOW)["share"].mean()
    )
    own = groups.filter(pl.col("round_index") == last)
    return dict(zip(own["sample_id"], (window - own["share"]), strict=True))


def measure(num_rollouts: int, repeats: int) -> dict[str, float | int]:
    """Medians over `repeats` alternating calls for one length of history."""
    with tempfile.TemporaryDirectory() as folder:
        files = Files(folder)
        started = time.perf_counter()
        manifests = history(files, num_rollouts)
        last = len(manifests) - 1
        paths = [files.full(path) for manifest in manifests for path in manifest.table_files("rollouts")]
        print(
            f"{num_rollouts} rollouts in {len(paths)} rounds, made in {time.perf_counter() - started:.0f} s", flush=True
        )
        ways: dict[str, Callable[[], dict[str, float]]] = {
            "ours": lambda: ours(files, manifests, last),
            "pandas": lambda: with_pandas(paths, last),
            "polars": lambda: with_polars(paths, last),
            "pandas_window": lambda: with_pandas(paths[-3:], last),
            "polars_window": lambda: with_polars(paths[-3:], last),
        }
        seconds: dict[str, list[float]] = {name: [] for name in ways}
        for _ in range(repeats):
            results = {}
            for name, way in ways.items():
                started = time.perf_counter()
                results[name] = way()
                seconds[name].append(time.perf_counter() - started)
            for name, found in results.items():
                assert found.keys() == results["ours"].keys(), name
                assert all(abs(found[key] - value) < 1e-9 for key, value in results["ours"].items()), name
        started = time.perf_counter()
        Ledger(files, {"rollout": STAGE}, 0, {}).manifests()
        opened = time.perf_counter() - started
    medians = {name: statistics.median(values) for name, values in seconds.items()}
    return {"rollouts": num_rollouts, "rounds": len(paths), **medians, "open_run": opened}


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="histories of 1e4 and 1e5")
    parser.add_argument("--json", type=Path, help="write {machine, rows} to this file")
    arguments = parser.parse_args()
    rows = [measure(n, 5) for n in ((10**4, 10**5) if arguments.quick else (10**5, 10**6, 10**7))]
    for row in rows:
        print("  ".join(f"{name} {value:.4g}" for name, value in row.items()))
        ratios = [f"{name} / ours {row[name] / row['ours']:.1f}" for name in ("pandas", "polars")]
        print(f"  whole history: {', '.join(ratios)}")
    print(f"ours, longest / second longest history: {rows[-1]['ours'] / rows[-2]['ours']:.2f}")
    if arguments.json:
        arguments.json.write_text(json.dumps({"machine": platform.platform(), "rows": rows}, indent=1))


if __name__ == "__main__":
    main()
