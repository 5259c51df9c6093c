"""Memory and seconds of building the vLLM engine again and again in one process, as every round does on a CPU.

python benchmarks/engine_rebuilds.py [--rebuilds N] [--quick] [--json FILE]

Each build loads the shipped policy, proves it with its probe and generates a little. `resident_mib` is the process's
resident memory after it; the slope is fitted over the second half, when every cache is warm.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import platform
import statistics
import tempfile
import time
from pathlib import Path

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import numpy as np
import psutil
from transformers import AutoProcessor

from flows.config import load_config
from flows.session import find_checkpoint
from stages.engine import Policy, Request, Sampling
from stages.prompts import question_text, render
from stages.vllm_engine import VllmEngine
from storage.datasets import load, shapes
from storage.frames import read_shown
from storage.probe import PROBE_FILE
from storage.records import Alteration


def rebuild(num_rebuilds: int) -> list[dict[str, float]]:
    """One row a build: seconds to load and prove the policy, seconds to generate, resident memory after both."""
    config, checkpoint = load_config("tiny"), find_checkpoint("builtin:tiny")
    engine, processor = VllmEngine(config.engine, config.video), AutoProcessor.from_pretrained(checkpoint)
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        shapes.generate(Path(folder), seed=0, num_train=2, num_validation=1)
        sample = load("shapes", root=Path(folder))[0]
        shown = read_shown(sample.media, Path, config.video.choice, config.video.max_pixels, Alteration())
        request = Request(render(processor, question_text(sample, "short")), shown, 0)
        policy = Policy(checkpoint, checkpoint / PROBE_FILE, 0)
        for i in range(num_rebuilds):
            started = time.perf_counter()
            engine.load(dataclasses.replace(policy, version=i))
            loaded = time.perf_counter()
            engine.generate([request], Sampling(8, 1.0, 32))
            generated = time.perf_counter()
            memory = psutil.Process().memory_info().rss / 2**20
            rows.append({"load": loaded - started, "generate": generated - loaded, "resident_mib": memory})
            if i % 10 == 0 or i == num_rebuilds - 1:
                print(f"build {i}: load {loaded - started:.2f} s, resident {memory:.0f} MiB", flush=True)
    engine.release()
    return rows


def slope(values: list[float]) -> float:
    """Least-squares growth a step over the second half."""
    half = values[len(values) // 2 :]
    return float(np.polyfit(range(len(half)), half, 1)[0])


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rebuilds", type=int, default=200, help="engines to build")
    parser.add_argument("--quick", action="store_true", help="20 builds")
    parser.add_argument("--json", type=Path, help="write {machine, rows} and the summary to this file")
    arguments = parser.parse_args()
    rows = rebuild(20 if arguments.quick else arguments.rebuilds)
    memory = [row["resident_mib"] for row in rows]
    summary = {
        "rebuilds": len(rows),
        "median_load_seconds": statistics.median(row["load"] for row in rows),
        "first_mib": memory[0],
        "middle_mib": memory[len(memory) // 2],
        "last_mib": memory[-1],
        "mib_a_rebuild": slope(memory),
    }
    print("  ".join(f"{name} {value:.4g}" for name, value in summary.items()))
    if arguments.json:
        arguments.json.write_text(json.dumps({"machine": platform.platform(), "rows": rows, **summary}, indent=1))


if __name__ == "__main__":
    main()
