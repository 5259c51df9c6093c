"""`make docs`: the site builds without a warning, needs no network, and its reference is complete."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from typer.main import get_command

from flows.cli import app
from storage.schema import TABLES

ROOT = Path(__file__).parents[1]
DERIVED = {"groups", "rounds", "stages"}


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "sphinx", "-q", "-W", "--keep-going", "-b", "html", ROOT / "docs", folder]
    result = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    assert result.returncode == 0, result.stderr
    return folder


def page(site, name):
    return (site / f"{name}.html").read_text(encoding="utf-8")


def test_make_docs_builds_with_warnings_as_errors():
    recipe = re.search(r"^docs: install\n((?:\t.*\n)+)", (ROOT / "Makefile").read_text(), flags=re.M)
    assert "sphinx -q -W --keep-going -b html docs docs/_build" in recipe[1]
    assert "docs/_build/" in (ROOT / ".gitignore").read_text().splitlines()


def test_every_page_is_in_the_site_and_loads_nothing_from_the_network(site):
    sources = {path.relative_to(ROOT / "docs").with_suffix("") for path in (ROOT / "docs").rglob("*.md")}
    assert sources <= {path.relative_to(site).with_suffix("") for path in site.rglob("*.html")}
    loads = r"""<(?:script|img|iframe|source)\b[^>]*\bsrc="([^"]+)"|<link\b[^>]*\bhref="([^"]+)"|url\(["']?([^)"']+)"""
    files = [path for path in site.rglob("*") if path.suffix in (".html", ".css")]
    for file in files:
        for found in re.findall(loads, file.read_text(encoding="utf-8")):
            assert not re.match(r"(https?:)?//", "".join(found)), file


def test_formulas_are_mathml(site):
    text = page(site, "method")
    assert text.count("<math ") > 50
    assert text.count('display="block"') == (ROOT / "docs" / "method.md").read_text().count("$$") / 2


def test_the_reference_has_every_command_with_its_options(site):
    text = re.sub(r"<[^>]+>", "", page(site, "reference/commands"))
    for name in get_command(app).commands:
        assert f"deepvideo {name} [OPTIONS]" in text
    assert "--accept-changes" in text


def test_the_reference_has_every_table_with_its_columns(site):
    text = page(site, "reference/tables")
    assert {"hint_fraction", "vanishing_after", "normalised_reward", "pass"} <= set(re.findall(r">(\w+)</span>", text))
    assert set(TABLES) | DERIVED <= set(re.findall(r"<h2>(\w+)<", text))


def test_the_reference_explains_the_losses(site):
    text = page(site, "reference/api")
    assert 'id="trainer.losses.reg_grpo.reg_grpo"' in text
    assert "Parameters" in text
