"""A `deepvideo serve` of its own for a test: a real Prefect server and worker, their folder and their API."""

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import httpx
import psutil


def free_port() -> int:
    """A port of this machine that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class Served:
    """A running `deepvideo serve`, its folder and its API."""

    def __init__(self, folder: Path, **environment: str) -> None:
        port = free_port()
        self.folder, self.url = folder, f"http://127.0.0.1:{port}"
        quick = {"PREFECT_WORKER_QUERY_SECONDS": "1", "PREFECT_HOME": str(folder / "prefect")}
        inherited = {name: value for name, value in os.environ.items() if name != "PREFECT_API_URL"}
        self.environment = inherited | quick | environment
        command = [sys.executable, "-m", "flows.cli", "serve", "--port", str(port)]
        with open(folder / "said.txt", "w") as out:
            self.process = subprocess.Popen(command, cwd=folder, env=self.environment, stdout=out, stderr=out)
        self.until(lambda: "Prefect UI" in self.said() or self.process.poll() is not None, 180)
        assert f"Prefect UI: {self.url}" in self.said()

    def said(self) -> str:
        return (self.folder / "said.txt").read_text()

    def api(self, method: str, path: str, **body):
        answers = (httpx.request(method, f"{self.url}/api/{path}", timeout=120, **body) for _ in range(20))
        answer = next(answer for answer in answers if answer.status_code != 503 or time.sleep(0.5))  # SQLite was locked
        answer.raise_for_status()
        return answer.json() if answer.content else None

    def fire(self, name: str, /, **parameters) -> str:
        deployment = self.api("GET", f"deployments/name/{name}/{name}")
        body = {"parameters": parameters, "state": {"type": "SCHEDULED"}}
        return self.api("POST", f"deployments/{deployment['id']}/create_flow_run", json=body)["id"]

    def state(self, run: str) -> dict:
        return self.api("GET", f"flow_runs/{run}")["state"]

    def ended(self, run: str, seconds: float = 300) -> dict:
        final = ("COMPLETED", "FAILED", "CANCELLED", "CRASHED")
        self.until(lambda: self.state(run)["type"] in final, seconds)
        return self.state(run)

    def until(self, reached, seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while not reached():
            assert time.monotonic() < deadline, self.said()
            time.sleep(0.2)

    def processes(self, word: str) -> list[psutil.Process]:
        children = psutil.Process(self.process.pid).children(recursive=True)
        alive = [child for child in children if child.status() != psutil.STATUS_ZOMBIE]
        return [child for child in alive if word in " ".join(child.cmdline())]

    def manifests(self, run_dir: str) -> set[Path]:
        return set((self.folder / run_dir).glob("rounds/*/*/*/*/manifest.json"))

    def shards(self, run_dir: str, stage: str) -> set[Path]:
        return set((self.folder / run_dir).glob(f"rounds/*/{stage}/*/*/shard-*.json"))

    def stop(self) -> None:
        self.process.send_signal(signal.SIGINT)
        assert self.process.wait(60) == 130
        assert "Traceback" not in self.said()
