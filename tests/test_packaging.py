"""The house rules that a reader cannot see: who imports whom, what loads without torch, whose packages these are."""

import ast
import graphlib
import importlib
import re
import subprocess
import sys
import tomllib
from fnmatch import fnmatch
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("flows", "stages", "storage", "trainer")
MAY_IMPORT = {
    "flows": {"flows", "stages", "trainer", "storage"},
    "stages": {"stages", "storage"},
    "trainer": {"trainer", "storage"},
    "storage": {"storage"},
}
ONLY_IN = {
    "prefect": "flows/",
    "accelerate": "trainer/",
    "peft": "trainer/",
    "duckdb": "storage/",
    "pyarrow": "storage/",
    "vllm": "stages/vllm_engine.py",
}


def imports(path: Path) -> set[str]:
    """Top-level names of every import in a file, inside functions too."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            found.add(str(node.module).split(".")[0])
        elif isinstance(node, ast.ImportFrom):
            raise AssertionError(f"{path}: relative imports hide which package is meant")
    return found


SOURCES = sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_a_file_imports_only_what_its_room_allows(path):
    place = path.relative_to(ROOT).as_posix()
    found = imports(path)
    assert found & set(PACKAGES) <= MAY_IMPORT[place.split("/")[0]]
    for module, room in ONLY_IN.items():
        if module in found:
            assert place.startswith(room), f"{module} belongs to {room}"
    if place.startswith("storage/"):
        assert "torch" not in found
        assert "transformers" not in found


@pytest.mark.parametrize(
    "statement",
    [
        "import storage.run, storage.query, storage.datasets.shapes, storage.video",
        "import stages.config, trainer.config, flows.config, flows.stage_specs",
        "import sys; sys.argv[1:] = ['--help']\ntry: import flows.cli; flows.cli.main()\nexcept SystemExit: pass",
    ],
)
def test_settings_storage_and_help_load_without_torch(statement):
    program = f"{statement}\nimport sys; print('torch' in sys.modules or 'prefect' in sys.modules)"
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert result.stdout.strip().endswith("False"), result.stdout


@pytest.mark.parametrize("name", PACKAGES)
def test_packages_are_ours(name):
    assert Path(str(importlib.import_module(name).__file__)).parent == ROOT / name


def test_no_folder_hides_another_distribution():
    assert not (ROOT / "docker" / "__init__.py").exists()  # would hide Prefect's docker SDK
    assert not list((ROOT / "tests").glob("*/"))  # tests/trainer would hide trainer
    assert not (ROOT / "tests" / "__init__.py").exists()


def test_versions_of_the_train_stage_agree():
    from flows.stage_specs import TRAIN_VERSION
    from trainer.train import STAGE_VERSION

    assert TRAIN_VERSION == STAGE_VERSION


def test_pins_hold_no_address_and_fulfil_pyproject():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    named = {
        requirement.split("[")[0].split(">")[0].split("=")[0] for requirement in project["project"]["dependencies"]
    }
    for file in ("cpu.txt", "gpu.txt", "dev.txt"):
        lines = (ROOT / "requirements" / file).read_text().splitlines()
        assert all("==" in line and "://" not in line for line in lines)
        if file != "dev.txt":
            pinned = {line.split("==")[0].split("[")[0] for line in lines}
            assert named <= pinned


def test_the_readmes_file_map_names_every_file():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    named = re.findall(r"`([\w*./]+)`", text)
    for path in [*SOURCES, *(ROOT / "storage").glob("*.sql")]:
        place = path.relative_to(ROOT).as_posix()
        listed = any(fnmatch(path.name, name) or (name.endswith("/") and f"/{name}" in place) for name in named)
        assert listed or path.name == "__init__.py", f"{place} is not in the README's file map"


def test_no_file_waits_for_itself_to_be_imported():
    """Imports at a module's top level have no circle, so that any file can be the first one imported."""
    names = {".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path for path in SOURCES}
    waits_for = {}
    for name, path in names.items():
        top = ast.parse(path.read_text(encoding="utf-8")).body
        froms = [
            (str(node.module), alias.name) for node in top if isinstance(node, ast.ImportFrom) for alias in node.names
        ]
        found = {f"{module}.{part}" if f"{module}.{part}" in names else module for module, part in froms}
        found |= {alias.name for node in top if isinstance(node, ast.Import) for alias in node.names}
        waits_for[name] = found & set(names)
    assert len(list(graphlib.TopologicalSorter(waits_for).static_order())) == len(SOURCES)
