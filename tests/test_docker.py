"""The container files: linted, and what can be known of them without a Docker daemon."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[1]
DOCKERFILES = sorted((ROOT / "docker").glob("*.Dockerfile"))
COMPOSE = yaml.safe_load((ROOT / "docker" / "compose.yaml").read_text(encoding="utf-8"))


@pytest.fixture(params=DOCKERFILES, ids=lambda path: path.name)
def dockerfile(request):
    return request.param.read_text(encoding="utf-8")


def test_hadolint_finds_nothing():
    assert len(DOCKERFILES) == 2
    result = subprocess.run([Path(sys.executable).with_name("hadolint"), *DOCKERFILES], capture_output=True, text=True)
    assert result.stdout == ""
    assert result.returncode == 0


def test_an_image_runs_as_nobody_special_knows_its_health_and_holds_no_secret(dockerfile):
    assert re.search(r"^USER 1000:1000$", dockerfile, flags=re.M)
    assert dockerfile.index("USER 1000") > dockerfile.rindex("RUN ")
    assert "HEALTHCHECK" in dockerfile
    assert not re.search(r"(?i)password|token|secret|api_key", dockerfile)
    assert "://" not in dockerfile


def test_an_image_is_pinned_and_holds_the_packages_alone(dockerfile):
    assert re.search(r"^FROM \S+:\d+\.\d+\.\d+\S*$", dockerfile, flags=re.M)
    assert re.search(r"uv pip install --system --no-cache --no-deps -r requirements/[cg]pu.txt", dockerfile)
    assert "uv==" in dockerfile
    copied = re.findall(r"^COPY (\S+) \S+$", dockerfile, flags=re.M)
    assert [name for name in copied if (ROOT / name).is_dir()] == ["flows", "stages", "storage", "trainer"]
    ignored = (ROOT / ".dockerignore").read_text().splitlines()
    assert ignored[0] == "*"
    assert {name.lstrip("!") for name in ignored if name.startswith("!")} >= {*copied[1:], "requirements"}


def test_the_services_listen_on_this_machine_alone_and_check_their_health():
    services = COMPOSE["services"]
    assert set(services) == {"postgres", "server", "worker", "worker-gpu"}
    assert [port for service in services.values() for port in service.get("ports", [])] == ["127.0.0.1:4200:4200"]
    assert {name for name, service in services.items() if "healthcheck" in service} == {"postgres", "server"}
    assert all(":" in service["image"] and not service["image"].endswith("latest") for service in services.values())


def test_the_worker_serves_on_the_server_with_heartbeats_and_leases_on_disk():
    worker = COMPOSE["services"]["worker"]
    assert worker["command"] == ["serve"]
    assert worker["environment"]["PREFECT_API_URL"] == "http://server:4200/api"
    assert worker["environment"]["PREFECT_FLOWS_HEARTBEAT_FREQUENCY"] == "30"
    server = COMPOSE["services"]["server"]["environment"]
    assert server["PREFECT_SERVER_CONCURRENCY_LEASE_STORAGE"].endswith("filesystem")


def test_the_password_is_a_secret_file_that_git_does_not_hold():
    assert COMPOSE["secrets"]["postgres_password"] == {"file": "postgres_password"}
    assert "docker/postgres_password" in (ROOT / ".gitignore").read_text().splitlines()
    text = (ROOT / "docker" / "compose.yaml").read_text()
    assert "POSTGRES_PASSWORD:" not in text
