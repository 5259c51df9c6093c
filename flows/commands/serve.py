"""`deepvideo serve`: rounds as Prefect deployments, on one machine, in one command."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from flows.terminal import log_of, quiet, terminal

SERVER = {
    "PREFECT_FLOWS_HEARTBEAT_FREQUENCY": "30",
    "PREFECT_SERVER_CONCURRENCY_LEASE_STORAGE": "prefect.server.concurrency.lease_storage.filesystem",
    "PREFECT_WORKER_QUERY_SECONDS": "5",
    "PREFECT_LOGGING_LEVEL": "INFO",
}
"""Missed heartbeats show what was killed; leases on disk come free after a power loss; logs reach the UI."""


def serve(
    host: Annotated[
        str, typer.Option(help="Where the server listens; other machines see it on 0.0.0.0.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65535, help="The server's port.")] = 4200,
    prefect_file: Annotated[
        Path | None, typer.Option(help="Deployments; default: ./prefect.yaml if there is one, else the shipped one.")
    ] = None,
) -> None:
    """Prefect's server, a worker and the deployments in one command; set PREFECT_API_URL to use a server elsewhere."""
    own = Path("prefect.yaml")
    shipped = Path(__file__).parents[1] / "prefect.yaml"
    for name, value in SERVER.items():
        os.environ.setdefault(name, value)
    quiet()
    own_server = None if "PREFECT_API_URL" in os.environ else (host, port)
    os.environ.setdefault("PREFECT_API_URL", f"http://{'127.0.0.1' if host == '0.0.0.0' else host}:{port}/api")
    from flows.serve import serve

    serve(terminal(), own_server, prefect_file or (own if own.is_file() else shipped), log_of("runs"))
