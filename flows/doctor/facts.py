"""The facts that the checks judge, gathered on this machine; nothing heavy is started.

Packages that may be missing or broken are imported where they are tried, so that the other checks still answer.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import platform
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
from packaging.utils import canonicalize_name

from flows.doctor.check import Check
from flows.doctor.hardware import Gpu, check_cpu, check_disk, check_gpus, check_memory, recommend
from flows.doctor.software import (
    check_codec,
    check_opencv,
    check_ours,
    check_packages,
    check_python,
    check_vllm,
)
from flows.doctor.surroundings import check_omp, check_prefect

if TYPE_CHECKING:
    from storage.encode import Codec

DISTRIBUTION = "deepvideo-r1"
PACKAGES = ("flows", "stages", "storage", "trainer")
CODECS: tuple[Codec, ...] = ("h264", "ffv1")
DRIVERS = ("/proc/driver/nvidia", "/dev/kfd", "/dev/dxg")
"""Where the drivers of NVIDIA, of AMD and of Windows' Linux show themselves; without one torch need not be asked."""
ANSWER_SECONDS = 3.0


def examine(run_dir: str) -> list[Check]:
    """Every check of this machine; `run_dir` is where a run would go."""
    requires, needed_python = _own_metadata()
    # Of two copies the first on the path is imported: setuptools, once loaded, appends old ones of its own.
    installed: dict[str, str] = {
        canonicalize_name(d.metadata["Name"]): d.version for d in reversed([*importlib.metadata.distributions()])
    }
    owners = importlib.metadata.packages_distributions()
    others = {name: sorted({*owners.get(name, [])} - {DISTRIBUTION}) for name in PACKAGES}
    driver = next((path for path in DRIVERS if Path(path).exists()), "")
    gpus = _gpus() if driver else []
    memory = psutil.virtual_memory()
    total = min(memory.total, _container_memory() or memory.total)
    available = min(memory.available, total)
    return [
        check_python(platform.python_version(), needed_python),
        check_packages(requires, installed),
        check_ours({name: _place(name) for name in PACKAGES}, Path(__file__).parents[2], others),
        check_opencv(sorted({*owners.get("cv2", [])})),
        check_vllm(requires or [], installed, bool(gpus)),
        *(check_codec(codec, _codec_problem(codec)) for codec in CODECS),
        check_cpu(platform.machine(), _cpu_flags(), len(os.sched_getaffinity(0))),
        check_gpus(gpus, driver),
        check_memory(available, total),
        *_disks(run_dir),
        check_prefect(*_prefect()),
        check_omp(os.environ.get("OMP_WAIT_POLICY")),
        recommend(gpus, installed, available),
    ]


def _own_metadata() -> tuple[list[str] | None, str]:
    try:
        metadata = importlib.metadata.metadata(DISTRIBUTION)
    except importlib.metadata.PackageNotFoundError:
        return None, ""
    return importlib.metadata.requires(DISTRIBUTION) or [], metadata["Requires-Python"]


def _place(package: str) -> Path | None:
    spec = importlib.util.find_spec(package)
    return Path(spec.origin).parent if spec and spec.origin else None


def _codec_problem(codec: Codec) -> str:
    """Why a small video cannot be written and read back; empty if it can."""
    try:
        import numpy as np

        from storage.encode import write_video
        from storage.errors import VideoError
        from storage.video import read_video
    except ImportError as error:
        return str(error)
    frames = np.random.default_rng(0).integers(0, 256, (4, 32, 32, 3), dtype=np.uint8)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / ("video.avi" if codec == "ffv1" else "video.mp4")
        try:
            write_video(path, frames, 4.0, codec)
            found = read_video(path).frames
        except (VideoError, OSError) as error:
            return str(error)
    if found.shape != frames.shape:
        return f"wrote frames {frames.shape}, read {found.shape}"
    return "its frames do not come back unchanged" if codec == "ffv1" and (found != frames).any() else ""


def _cpu_flags() -> set[str]:
    """The processor's features as the kernel names them; none where they cannot be read."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text(encoding="utf-8").splitlines() if info.exists() else []
    named = (line.partition(":")[2] for line in lines if line.lower().startswith(("flags", "features")))
    return {*next(named, "").split()}


def _gpus() -> list[Gpu]:
    try:
        import torch
    except (ImportError, OSError):  # the driver's check says that torch can use none
        return []
    found = [torch.cuda.get_device_properties(i) for i in range(torch.cuda.device_count())]
    return [Gpu(gpu.name, gpu.total_memory, float(f"{gpu.major}.{gpu.minor}")) for gpu in found]


def _container_memory() -> int | None:
    """The memory limit of the container that this process is in, bytes; None without one."""
    limit = Path("/sys/fs/cgroup/memory.max")
    text = limit.read_text(encoding="utf-8").strip() if limit.exists() else ""
    return int(text) if text.isdigit() else None


def _disks(run_dir: str) -> Sequence[Check]:
    places = {"temporary folder": tempfile.gettempdir()}
    if "://" not in run_dir:
        folder = Path(run_dir).absolute()
        places = {"run directory": str(next(p for p in (folder, *folder.parents) if p.exists())), **places}
    return [
        check_disk(name, place, shutil.disk_usage(place).free, writable=os.access(place, os.W_OK))
        for name, place in places.items()
    ]


def _prefect() -> tuple[str | None, str | None, str, str]:
    """The server's URL, its version, why it did not say it, and the version here."""
    try:
        from prefect import __version__
        from prefect.client.orchestration import get_client
        from prefect.settings import PREFECT_API_URL, PREFECT_CLIENT_MAX_RETRIES, temporary_settings
    except ImportError as error:
        return None, None, str(error), ""

    url = PREFECT_API_URL.value()
    if url is None:
        return None, None, "", __version__
    try:
        with temporary_settings({PREFECT_CLIENT_MAX_RETRIES: 0}):
            client = get_client(httpx_settings={"timeout": ANSWER_SECONDS}, sync_client=True)
        with client:
            return url, client.api_version(), "", __version__
    except Exception as error:  # whatever an address that is no Prefect server answers
        return url, None, f"{type(error).__name__}: {error}".splitlines()[0], __version__
