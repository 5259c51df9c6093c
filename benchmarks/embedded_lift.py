"""What training lifts: the warm policy trained by the real loop, then measured on the test set that all seeds share."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

from embedded_measure import answer, test_samples
from small_run import complete, fork_server

from flows.config import load_config
from storage.query import query
from storage.run import Run

T = TypeVar("T")
LOSSES: dict[str, list[str]] = {
    "grpo": [],
    "reg_grpo": ['train.loss={type="reg_grpo"}', "train.updates_per_batch=2", "train.kl_weight=1.0"],
}
"""Settings of each loss beside the preset's; Reg-GRPO needs a second update and more KL (METHOD.md section 2)."""


def in_child(work: Callable[..., T], *arguments: Any) -> T:
    """Calls `work` in a process of its own, so that each engine starts fresh and leaves nothing."""
    with ProcessPoolExecutor(1, mp_context=fork_server) as pool:
        return pool.submit(work, *arguments).result()


def measure(checkpoint: Path, overrides: list[str], test_seed: int, num_test: int) -> dict[str, list[Any]]:
    """A policy's greedy and sampled responses to the test samples of a seed, graded."""
    config = load_config("tiny_benchmark", overrides)
    with test_samples(test_seed, num_test) as samples:
        return answer(config, checkpoint, samples, test_seed)


def train(loss: str, seed: int, folder: Path, overrides: list[str]) -> dict[str, Any]:
    """A run of the loop in `folder`: its last policy, its seconds, and reward, vanishing ratio and KL by round."""
    config = load_config("tiny_benchmark", [*LOSSES[loss], *overrides, f"seed={seed}"])
    started = time.perf_counter()
    in_child(complete, str(folder), config)
    seconds = time.perf_counter() - started
    run = Run.open(str(folder))
    manifest = run.ledger.current(f"{config.rounds - 1:05d}/train")
    assert manifest is not None, f"{folder}: the last round was not trained"
    curve = query(
        run,
        "select round_index, mean_reward, accuracy, vanishing_before, kl from rounds "
        "left join (select round_index, last(kl order by step) as kl from train_steps group by all) "
        "using (round_index) order by round_index",
    )
    checkpoint = run.files.local(manifest.output_folder("checkpoint"))
    return {"checkpoint": checkpoint, "seconds": seconds, "curve": curve.to_pylist()}
