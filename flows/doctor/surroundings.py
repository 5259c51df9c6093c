"""Checks of what surrounds a run: the Prefect server, the environment's variables."""

from __future__ import annotations

from packaging.version import Version

from flows.doctor.check import Check
from flows.doctor.software import INSTALL


def check_prefect(url: str | None, server: str | None, problem: str, client: str) -> Check:
    """Whether the Prefect server that the settings name answers, in a version that fits.

    url: PREFECT_API_URL; None starts an ephemeral server for each command. server, client: versions; problem: why the
    server did not say its own.
    """
    if url is None and problem:
        return Check("prefect", "bad", f"Prefect cannot be imported: {problem}", INSTALL)
    if url is None:
        return Check("prefect", "ok", f"{client}; PREFECT_API_URL is not set: each run starts a server of its own")
    if server is None:
        remedy = "start it (deepvideo serve, or prefect server start), or unset PREFECT_API_URL"
        return Check("prefect", "bad", f"{url} does not answer: {problem}", remedy)
    found, remedy = f"{url} has Prefect {server}, here is {client}", f"install prefect=={client} there"
    if Version(server).major != Version(client).major:
        return Check("prefect", "bad", f"{found}: their major versions must match", remedy)
    if Version(server) < Version(client):
        return Check("prefect", "warn", f"{found}: a server older than its client", remedy)
    return Check("prefect", "ok", found)


def check_omp(policy: str | None) -> Check:
    """Whether waiting threads leave the cores to the working ones; policy: OMP_WAIT_POLICY."""
    if policy is None:
        return Check("OMP_WAIT_POLICY", "ok", "not set: every command sets PASSIVE")
    if policy.upper() == "PASSIVE":
        return Check("OMP_WAIT_POLICY", "ok", policy)
    found = f"{policy}: threads that wait by spinning take the cores from the ones that work"
    return Check("OMP_WAIT_POLICY", "warn", found, "unset OMP_WAIT_POLICY, or set it to PASSIVE")
