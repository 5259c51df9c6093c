"""Whole runs whose process group is killed (SIGKILL) at random instants, again and again, until they get to their end.

python benchmarks/kill_campaign.py [--kills N] [--seed S] [--quick] [--json FILE]

Each run's tables are then compared with those of an undisturbed run, row by row: `lost` rows are missing, `doubled`
rows are there too often (or differ). At least one run in ten goes through a Prefect server, the others call the stages
themselves. The engine is the deterministic one, training is real. Imports are done once, in a fork server.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

from small_run import SMALL, complete, fork_server, tables

from flows.config import load_config
from flows.lifetime import end_with_parent

OVERRIDES = [*SMALL, "evaluate.shard_size=2", "train.save_every=2"]
PREFECT_SHARE = 5  # one run in so many goes through Prefect, so that a tenth of the kills surely does
START_SECONDS = 180


def whole_run(folder: str, through_prefect: bool) -> None:
    """What is missing of a run, in a process group of its own that says nothing."""
    os.setsid()
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for descriptor in (1, 2):
        os.dup2(nowhere, descriptor)
    if through_prefect:
        from flows.curriculum import curriculum

        curriculum(folder, "tiny", OVERRIDES)
        return
    complete(folder, load_config("tiny", OVERRIDES))


def start(folder: Path, through_prefect: bool) -> Any:
    """A process at work on a whole run."""
    process = fork_server.Process(target=whole_run, args=(str(folder), through_prefect))
    process.start()
    return process


def disturbed_run(folder: Path, through_prefect: bool, longest: float, kills: Iterator[None], seed: int) -> int:
    """One run to its end, each of its processes killed within `longest` seconds; returns how many were."""
    chance, killed = random.Random(seed), 0
    while True:
        process = start(folder, through_prefect)
        if next(kills, "none left") is None:
            process.join(chance.uniform(0, longest))
            if process.exitcode is None:
                os.killpg(process.pid, signal.SIGKILL) if _leads_its_group(process.pid) else process.kill()
                process.join()
                killed += 1
                continue
        process.join()
        assert process.exitcode == 0, f"{folder}: a process ended by itself with {process.exitcode}"
        return killed


def _leads_its_group(pid: int) -> bool:
    return os.getpgid(pid) == pid  # from its first line on; before that it is in the fork server's group


def campaign(num_kills: int, seed: int) -> list[dict[str, Any]]:
    """Runs until `num_kills` processes have been killed; one row a way of running."""
    fork_server.set_forkserver_preload(["flows.curriculum", "flows.stages", "trainer.train"])
    with tempfile.TemporaryDirectory() as name, prefect_server(Path(name)):
        folder = Path(name)
        for name in ("imports", "undisturbed"):
            started = time.perf_counter()
            start(folder / name, False).join()
        seconds = time.perf_counter() - started  # of the second one: the fork server has imported everything by then
        longest = seconds  # so that most processes are killed, and yet the longest stage can end
        expected = tables(folder / "undisturbed")
        print(f"an undisturbed run takes {seconds:.1f} s", flush=True)
        started = time.perf_counter()
        rows = {way: Counter({"runs": 0}) for way in ("direct", "prefect")}
        kills, number = 0, 0
        with ThreadPoolExecutor(2) as pool:
            while kills < num_kills:
                batch = list(range(number, number + 2))
                number += len(batch)
                budget = iter([None] * (num_kills - kills))
                ways = ["prefect" if i % PREFECT_SHARE == 0 else "direct" for i in batch]
                futures = [
                    pool.submit(disturbed_run, folder / str(i), way == "prefect", longest, budget, seed + i)
                    for i, way in zip(batch, ways, strict=True)
                ]
                for i, way, future in zip(batch, ways, futures, strict=True):
                    kills += future.result()
                    rows[way] += Counter(
                        {"kills": future.result(), "runs": 1, **compare(expected, tables(folder / str(i)))}
                    )
                    shutil.rmtree(folder / str(i))
                print(
                    f"{kills} kills, {number} runs, {kills / (time.perf_counter() - started):.2f} kills/s", flush=True
                )
    names = ("kills", "runs", "lost", "doubled", "identical")
    return [{"way": way, **{name: row[name] for name in names}} for way, row in rows.items()]


def compare(expected: dict[str, list[str]], found: dict[str, list[str]]) -> dict[str, int]:
    """Rows lost and doubled, and whether the run is identical (1) or not (0)."""
    lost = sum((Counter(expected[name]) - Counter(found[name])).total() for name in expected)
    doubled = sum((Counter(found[name]) - Counter(expected[name])).total() for name in expected)
    return {"lost": lost, "doubled": doubled, "identical": int(found == expected)}


@contextmanager
def prefect_server(home: Path) -> Iterator[None]:
    """A Prefect server for the runs that go through one."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    url = f"http://127.0.0.1:{port}/api"
    os.environ |= {"PREFECT_API_URL": url, "PREFECT_HOME": str(home / "prefect"), "PREFECT_LOGGING_LEVEL": "CRITICAL"}
    os.environ |= {"PREFECT_SERVER_ANALYTICS_ENABLED": "false", "DO_NOT_TRACK": "1", "HF_HUB_OFFLINE": "1"}
    command = [sys.executable, "-m", "prefect", "server", "start", "--port", str(port)]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    with subprocess.Popen(command, **quiet, start_new_session=True, preexec_fn=end_with_parent) as server:
        try:
            deadline = time.monotonic() + START_SECONDS
            while socket.socket().connect_ex(("127.0.0.1", port)):
                assert time.monotonic() < deadline, "Prefect's server does not answer"
                time.sleep(0.2)
            yield
        finally:
            os.killpg(server.pid, signal.SIGKILL)


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=500, help="processes to kill")
    parser.add_argument("--seed", type=int, default=0, help="seed of the instants")
    parser.add_argument("--quick", action="store_true", help="24 kills")
    parser.add_argument("--json", type=Path, help="write {machine, rows} and the sums to this file")
    arguments = parser.parse_args()
    started = time.perf_counter()
    rows = campaign(24 if arguments.quick else arguments.kills, arguments.seed)
    total = {name: sum(row[name] for row in rows) for name in ("kills", "lost", "doubled", "runs")}
    total |= {"identical": sum(row["identical"] for row in rows) == total["runs"]}
    for row in rows:
        print("  ".join(f"{name} {value}" for name, value in row.items()))
    print(f"{total}, {time.perf_counter() - started:.0f} s")
    if arguments.json:
        arguments.json.write_text(json.dumps({"machine": platform.platform(), "rows": rows, **total}, indent=1))
    raise SystemExit(0 if total["identical"] else 1)


if __name__ == "__main__":
    main()
