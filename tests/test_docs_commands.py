"""Every command and every Python block of the README and the guides is run here, or says which test covers it."""

import os
import re
import shlex
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
from conftest import call
from small_run import SMALL, complete
from typer.main import get_command

from flows.cli import app
from flows.config import load_config
from flows.terminal import quiet
from storage.run import Run
from storage.views import write_views

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
SHELLS = ("bash", "sh", "shell", "console")
PROGRAMS = ("deepvideo", "make", "docker", "prefect", "python", "pip", "git", "openssl", "export", "cd")
SMALLER = [
    *(setting for setting in SMALL if not setting.startswith("rounds=")),
    "select.samples_per_round=8",
    "rollout.group_size=3",
    "train.groups_per_batch=2",
]
SETS = [part for setting in SMALLER for part in ("--set", setting)]
ELSEWHERE = {
    r"make (demo|install)": (
        "the real vLLM, minutes",
        "test_demo.py::test_it_prints_rounds_validation_and_three_commands",
    ),
    r"make install GPU=1": ("needs a GPU", "test_stages_vllm_engine_gpu.py::test_the_order_of_a_swap_in_place"),
    r"make test": ("runs this file", "test_docs_commands.py::test_a_command_is_run_or_says_who_runs_it"),
    r"\S+python -m pytest -m gpu": ("needs a GPU", "test_stages_vllm_engine_gpu.py::test_the_order_of_a_swap_in_place"),
    r"deepvideo run gpu\.toml": ("a model and a GPU", "test_docs_commands.py::test_a_settings_file_of_a_page_is_valid"),
    r"deepvideo serve": (
        "runs until interrupted",
        "test_flows_deployments.py::test_rounds_by_hand_until_there_is_nothing_to_do",
    ),
    r"(export PREFECT_API_URL=|prefect )": (
        "needs the server",
        "test_flows_deployments.py::test_an_evaluation_and_a_report",
    ),
    r"export PREFECT_API_DATABASE_CONNECTION_URL=": (
        "needs PostgreSQL",
        "test_flows_postgres.py::test_a_round_runs_and_its_history_survives_a_restart",
    ),
    r"docker ": (
        "needs a Docker daemon",
        "test_docker.py::test_the_worker_serves_on_the_server_with_heartbeats_and_leases_on_disk",
    ),
    r"openssl rand": ("writes a secret", "test_docker.py::test_the_password_is_a_secret_file_that_git_does_not_hold"),
}
"""Commands, by their beginning, that are not run here: why, and the test that covers what they do."""


@dataclass(frozen=True)
class Command:
    """A command of a page, without its comment; `code` is the exit code that the comment promises."""

    page: Path
    text: str
    code: int

    @property
    def elsewhere(self) -> bool:
        return any(re.match(pattern, self.text) for pattern in ELSEWHERE)


def blocks(page: Path) -> list[tuple[str, str]]:
    """Language and text of every fenced block."""
    return re.findall(r"^```([^\n]*)\n(.*?)^```$", page.read_text(encoding="utf-8"), flags=re.M | re.S)


def commands(page: Path) -> list[Command]:
    """The commands of a page in order; in a block that names no language, the lines that begin with a program."""
    found = []
    for language, text in blocks(page):
        for line in text.replace("\\\n", " ").splitlines():
            line = line.strip()
            if language == "console":
                line = line.removeprefix("$ ") if line.startswith("$ ") else ""
            if language not in SHELLS and (language or not _begins_with_a_program(line)):
                continue
            if line and not line.startswith("#"):
                found.append(_command(page, line))
    return found


def _begins_with_a_program(line: str) -> bool:
    return Path(line.split(" ")[0]).name in PROGRAMS


def _command(page: Path, line: str) -> Command:
    command, _, comment = re.match(r"""((?:[^"'#]|"[^"]*"|'[^']*'|(?<!\s)#)*)(#?)(.*)""", line).groups()
    promised = re.search(r"exit code (\d+)", comment)
    return Command(page, command.strip(), int(promised[1]) if promised else 0)


def settings_files(page: Path) -> dict[str, str]:
    """The TOML blocks of a page that begin with their file's name."""
    return {found[1]: text for language, text in blocks(page) if (found := re.match(r"# (\S+\.toml)\n", text))}


def data_files(page: Path) -> dict[str, str]:
    """The JSON lines of a page after the words that name their file."""
    text = page.read_text(encoding="utf-8")
    return dict(re.findall(r"`(\S+\.jsonl)`:\n\n```json\n(.*?)^```$", text, flags=re.M | re.S))


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A finished run of three rounds, made on the same settings as the runs of the pages."""
    folder = tmp_path_factory.mktemp("docs") / "run"
    complete(folder, load_config("tiny", [*SMALLER, "rounds=3"]))
    write_views(Run.open(str(folder)))
    return folder


@pytest.fixture(scope="module")
def prefect_server():
    quiet()  # before Prefect reads its settings
    from prefect.testing.utilities import prefect_test_harness

    with prefect_test_harness(server_startup_timeout=180):
        yield


@pytest.fixture
def workplace(finished, tmp_path, monkeypatch):
    """A folder like a reader's: a finished run in runs/demo and in runs/tiny."""
    for name in ("demo", "tiny"):
        shutil.copytree(finished, tmp_path / "runs" / name)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    return tmp_path


ALL = [command for page in PAGES for command in commands(page)]
WITH_COMMANDS = [page for page in PAGES if any(not command.elsewhere for command in commands(page))]


@pytest.mark.parametrize("page", WITH_COMMANDS, ids=lambda page: page.stem)
def test_a_command_is_run_or_says_who_runs_it(page, workplace, prefect_server, capfd):
    for name, text in (settings_files(page) | data_files(page)).items():
        (workplace / name).write_text(text)
    for command in commands(page):
        if not command.elsewhere:
            code, err = execute(command.text, capfd)
            assert code == command.code, f"{page.name}: {command.text}\n{err}"


def execute(text: str, capfd) -> tuple[int, str]:
    """Runs a command as the page has it; a run on the small settings, with what the page sets on top."""
    words = shlex.split(text)
    if Path(words[0]).name != "deepvideo" or ">" in words:
        result = subprocess.run(["bash", "-c", text], capture_output=True, text=True)
        return result.returncode, result.stderr
    arguments = words[1:]
    if arguments[0] in ("run", "evaluate"):
        arguments[2:2] = SETS
    if arguments[0] == "demo":
        arguments += SETS
    code, _, err = call(capfd, *arguments)
    return code, err


def test_there_are_commands_and_each_exception_is_needed_and_names_its_test():
    assert len(ALL) > 40
    for pattern, (_, test) in ELSEWHERE.items():
        assert any(re.match(pattern, command.text) for command in ALL), f"no page has a command {pattern}"
        file, _, name = test.partition("::")
        assert f"def {name}(" in (ROOT / "tests" / file).read_text(encoding="utf-8"), test


@pytest.mark.parametrize("page", PAGES[1:], ids=lambda page: page.relative_to(ROOT / "docs").as_posix())
def test_every_block_of_a_guide_names_its_language(page):
    assert all(language for language, _ in blocks(page))


@pytest.mark.parametrize("page", [page for page in PAGES if settings_files(page)], ids=lambda page: page.stem)
def test_a_settings_file_of_a_page_is_valid(page, tmp_path):
    for name, text in settings_files(page).items():
        (tmp_path / name).write_text(text)
        load_config(tmp_path / name)


@pytest.mark.parametrize(
    "page", [page for page in PAGES if "```python\n" in page.read_text()], ids=lambda page: page.stem
)
def test_the_python_of_a_page_runs(page, workplace):
    names = {}
    for language, text in blocks(page):
        if language == "python":
            exec(compile(text, str(page), "exec"), names)


def test_the_readme_names_every_command():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    names = set(get_command(app).commands)
    assert names == names & set(re.findall(r"\bdeepvideo ([\w-]+)", text))
