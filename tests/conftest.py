"""Fixtures that several files share: the shipped checkpoint, a small configuration, a quiet console."""

import io
import os
from pathlib import Path

import pytest

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # before torch: spinning threads starve each other on two cores

from rich.console import Console

from flows.config import load_config
from flows.session import find_checkpoint

SMALL = [
    "engine.type=deterministic",
    "rounds=2",
    "data.num_train=24",
    "data.num_validation=6",
    "select.samples_per_round=10",
    "rollout.group_size=4",
    "rollout.shard_size=4",
    "difficulty.min_level=0.1",
    "augment.num_traces=2",
    "train.groups_per_batch=3",
    "train.groups_per_forward=1",
]


@pytest.fixture(scope="session")
def checkpoint() -> Path:
    return find_checkpoint("builtin:tiny")


@pytest.fixture
def console() -> Console:
    return Console(file=io.StringIO())


@pytest.fixture(scope="session")
def small_config():
    """Two rounds of ten samples on the deterministic engine; trains the shipped model for real."""
    return load_config("tiny", SMALL)
