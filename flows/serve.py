"""`deepvideo serve`: Prefect's server, a worker and our deployments on one machine, for as long as this process lives.

Prefect reads PREFECT_API_URL as it is imported: it names the server before this file is loaded.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import ExitStack
from pathlib import Path

from prefect.client.orchestration import get_client
from rich.console import Console

from flows.lifetime import end_with_parent
from flows.orchestration import WORK_POOL, prepare
from storage.errors import UserError

START_SECONDS = 180
STOP_SECONDS = 40  # Prefect gives a flow run 30 s to end
RESTART_SECONDS = 5


def serve(console: Console, own_server: tuple[str, int] | None, deployments: Path, log: Path) -> None:
    """Runs until interrupted; a server or worker that ends by itself is started again.

    own_server: host and port of the server to start; None uses the one that runs at PREFECT_API_URL.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        children: list[_Child] = []
        if own_server:
            host, port = own_server
            _check_free(host, port)
            children.append(stack.enter_context(_Child(["server", "start", "--host", host, "--port", str(port)], log)))
        _wait_for_server(console, children, log)
        with get_client(sync_client=True) as client:
            prepare(client)
        _deploy(deployments, log)
        worker = ["worker", "start", "--pool", WORK_POOL, "--type", "process"]
        children.append(stack.enter_context(_Child(worker, log)))
        console.print(f"Prefect UI: {os.environ['PREFECT_API_URL'].removesuffix('/api')}", highlight=False)
        console.print(
            f"deployments of {deployments} are served from {Path.cwd()}; e.g.\n"
            "  prefect deployment run round/round -p run_dir=runs/tiny -p config=tiny\n"
            f"log: {log}\nstop with Ctrl-C",
            highlight=False,
        )
        while True:
            time.sleep(1)
            for child in children:
                if child.ended():
                    console.print(f"{child.name} ended; started again in {RESTART_SECONDS} s", highlight=False)
                    time.sleep(RESTART_SECONDS)
                    child.start()


class _Child:
    """A `prefect` command as a process group of its own, ended with this process."""

    def __init__(self, arguments: list[str], log: Path) -> None:
        self.name = arguments[0]
        self._arguments, self._log = arguments, log
        self.start()

    def start(self) -> None:
        with open(self._log, "ab") as file:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "prefect", *self._arguments],
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=file,
                start_new_session=True,
                preexec_fn=end_with_parent,
            )

    def ended(self) -> bool:
        return self._process.poll() is not None

    def __enter__(self) -> _Child:
        return self

    def __exit__(self, *error: object) -> None:
        self._process.terminate()
        try:
            self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()


def _check_free(host: str, port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise UserError(
                f"{host}:{port}: {error.strerror}; choose another --port, or name the server there in PREFECT_API_URL"
            ) from error


def _wait_for_server(console: Console, children: list[_Child], log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    with console.status("waiting for Prefect's server"):
        while True:
            with get_client(sync_client=True) as client:
                if client.api_healthcheck() is None:
                    return
            if time.monotonic() > deadline or any(child.ended() for child in children):
                raise UserError(f"{os.environ['PREFECT_API_URL']}: Prefect's server does not answer; see {log}")
            time.sleep(0.5)


def _deploy(deployments: Path, log: Path) -> None:
    command = [sys.executable, "-m", "prefect", "--no-prompt", "deploy", "--all", "--prefect-file", str(deployments)]
    with open(log, "ab") as file:
        code = subprocess.run(command, stdout=file, stderr=file, env={**os.environ, "PWD": str(Path.cwd())}).returncode
    if code:
        raise UserError(f"{deployments}: Prefect did not accept the deployments; see {log}")
