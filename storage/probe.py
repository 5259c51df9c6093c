"""The probe that travels with a checkpoint: `probe.parquet`, token sequences and the trainer's log-probs of them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

PROBE_FILE = "probe.parquet"


@dataclass(frozen=True, slots=True, eq=False)
class Probe:
    """Sequences of text tokens, int32 [T] each, and float32 [T - 1] log-probs of each token after the first."""

    token_ids: list[np.ndarray]
    logprobs: list[np.ndarray]
    previous_logprobs: list[np.ndarray]


def write_probe(path: Path, probe: Probe) -> None:
    """Writes the probe to the file `path`."""
    table = pa.table(
        {
            "token_ids": pa.array(probe.token_ids, type=pa.list_(pa.int32())),
            "logprobs": pa.array(probe.logprobs, type=pa.list_(pa.float32())),
            "previous_logprobs": pa.array(probe.previous_logprobs, type=pa.list_(pa.float32())),
        }
    )
    pq.write_table(table, path)


def read_probe(path: Path) -> Probe:
    """The probe in the file `path`."""
    table = pq.read_table(path)
    return Probe(*([row.values.to_numpy() for row in table.column(name)] for name in table.column_names))
