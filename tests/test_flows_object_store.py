"""A whole run on an s3:// URL, against a real S3 protocol server: the same guarantees as on a disk."""

import os
import signal
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import boto3
import pytest
from conftest import call
from rich.console import Console
from served import free_port
from small_run import complete, fork_server, tables

from flows.session import open_session
from flows.stages import run_stage
from storage.errors import DamagedRun, UserError
from storage.files import Files
from storage.query import query
from storage.run import Run
from storage.verify import verify

URL = "s3://bucket/run"


def listening(port):
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@pytest.fixture(scope="module")
def s3():
    """A boto3 client of an S3 server with one bucket; the environment names it as a user's would."""
    port = free_port()
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    named = {"AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}", "AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b"}
    before = dict(os.environ)
    os.environ.update(named, AWS_DEFAULT_REGION="us-east-1")
    deadline = time.monotonic() + 60
    while not listening(port):
        assert time.monotonic() < deadline
        assert server.poll() is None
        time.sleep(0.1)
    client = boto3.client("s3")
    client.create_bucket(Bucket="bucket")
    yield client
    os.environ.clear()
    os.environ.update(before)
    server.kill()
    server.wait()


@pytest.fixture(scope="module")
def finished(s3, small_config):
    """A finished run in the bucket."""
    complete(URL, small_config)
    return URL


def keys(s3, prefix=""):
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket="bucket", Prefix=prefix)
    return [entry["Key"] for page in pages for entry in page.get("Contents", [])]


def continue_run(environment, url, config):
    os.environ.update(environment)
    complete(url, config)


@pytest.mark.slow
def test_the_tables_are_those_of_a_run_on_a_disk(finished, tmp_path, small_config):
    complete(tmp_path / "run", small_config)
    local, stored = tables(tmp_path / "run"), tables(finished)
    assert {name: len(rows) for name, rows in stored.items()} == {name: len(rows) for name, rows in local.items()}
    for name in ("selected", "difficulty", "hint_traces", "train_steps", "train_rollouts", "old_logprobs"):
        assert stored[name] == local[name], name  # the others hold paths of the videos


def test_a_finished_run_is_not_repeated(finished, s3, small_config):
    before = keys(s3, "run/rounds/")
    assert complete(finished, small_config) == []
    assert keys(s3, "run/rounds/") == before


def test_commands_work_on_a_url(finished, capfd):
    code, out, _ = call(capfd, "status", "--run-dir", finished)
    assert (code, "2 of 2 rounds complete" in out) == (0, True)
    code, out, _ = call(
        capfd, "sql", "select count(*) as n from rollouts where pass = 'original'", "--run-dir", finished
    )
    assert (code, "80" in out) == (0, True)
    code, out, _ = call(capfd, "stage", "curate", "--round", "1", "--force", "--run-dir", finished)
    assert (code, "attempt 1" in out) == (0, True)
    code, out, _ = call(capfd, "report", "--run-dir", finished)
    assert (code, out.strip()) == (0, f"{finished}/report.html")


def test_a_query_reads_the_current_shards_and_nothing_else_of_the_bucket(finished, s3):
    run = Run.open(finished)
    s3.put_object(Bucket="bucket", Key="secret.csv", Body=b"a\n1\n")
    for path in ("s3://bucket/secret.csv", f"{finished}/run.json", f"{finished}/settings/00000.json"):
        with pytest.raises(UserError, match=r"(?i)permission|disabled|not allowed"):
            query(run, f"select * from read_text('{path}')")
    with pytest.raises(UserError, match="one SELECT"):
        query(run, "copy (select 1) to 's3://bucket/out.csv'")
    assert "out.csv" not in keys(s3)


def test_of_many_writers_one_commits(s3):
    with ThreadPoolExecutor(4) as pool:
        won = list(pool.map(lambda i: Files("s3://bucket/races").create("name", bytes([i])), range(4)))
    assert won.count(True) == 1
    assert Files("s3://bucket/races").read("name") == bytes([won.index(True)])


def test_a_large_object_sent_in_parts_is_create_only_too(s3):
    """s3fs sends more than 100 MiB in parts; S3 decides when they are put together."""
    files, size = Files("s3://bucket/large"), 101 * 2**20
    assert files.create("name", b"a" * size)
    assert not files.create("name", b"b" * size)
    assert files.read("name")[:1] == b"a"
    s3.delete_object(Bucket="bucket", Key="large/name")


def test_another_process_sees_a_new_file_at_once(s3):
    early, late = Files("s3://bucket/seen"), Files("s3://bucket/seen")
    assert not late.exists("a/b")
    assert late.names("a") == []
    assert early.create("a/b", b"1")
    assert late.exists("a/b")
    assert late.names("a") == ["b"]


def test_killed_it_continues_and_the_tables_are_the_same(finished, s3, small_config):
    url = "s3://bucket/killed"
    environment = {name: value for name, value in os.environ.items() if name.startswith("AWS_")}
    for enough in (12, 36):
        child = fork_server.Process(target=continue_run, args=(environment, url, small_config))
        child.start()
        deadline = time.monotonic() + 120
        while len(keys(s3, "killed/rounds/")) < enough:
            assert time.monotonic() < deadline
            assert child.exitcode is None
            time.sleep(0.02)
        os.kill(child.pid, signal.SIGKILL)
        child.join()
    done = complete(url, small_config)
    assert 0 < len(done) < 17
    assert tables(url) == tables(finished)


def test_damage_is_noticed_before_it_is_used(finished, s3, small_config):
    assert verify(Files(finished), lambda *progress: None).damages == []
    name = next(key for key in keys(s3, "run/rounds/00000/rollout/") if "/rollouts-" in key)
    data = bytearray(s3.get_object(Bucket="bucket", Key=name)["Body"].read())
    data[len(data) // 2] ^= 1
    s3.put_object(Bucket="bucket", Key=name, Body=bytes(data))
    with (
        open_session(finished, small_config, Console(quiet=True)) as session,
        pytest.raises(DamagedRun, match=name.split("/")[-1]),
    ):
        run_stage(session, "curate", 0, force=True)
    assert len(verify(Files(finished), lambda *progress: None).damages) == 1
