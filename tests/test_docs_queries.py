"""Every question of docs/queries.md is asked of a real run; views.sql opens in plain DuckDB."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from small_run import complete_in_child

from storage.query import query
from storage.run import Run
from storage.views import write_views

GUIDE = (Path(__file__).parents[1] / "docs" / "queries.md").read_text(encoding="utf-8")
QUESTIONS = re.findall(r"([^\n]+):\n\n```sql\n(.+?)```", GUIDE, flags=re.DOTALL)
MAY_BE_EMPTY = (
    "Attempts that no longer count",
    "Samples that were to be augmented",
    "Which frames were masked",
    "Samples that flip",
    "Annotation rows that became no sample",
)


@pytest.fixture(scope="module")
def finished(tmp_path_factory, small_config):
    folder = tmp_path_factory.mktemp("queries") / "run"
    config = small_config.model_copy(update={"rounds": 4})  # 24 samples, 10 a round: some come twice
    complete_in_child(folder, config)
    write_views(Run.open(str(folder)))
    return folder


def test_the_guide_has_its_questions():
    assert len(QUESTIONS) == GUIDE.count("```sql") == 22


@pytest.mark.parametrize(("title", "sql"), QUESTIONS, ids=[title for title, _ in QUESTIONS])
def test_a_question_of_the_guide_has_an_answer(finished, title, sql):
    rows = query(Run.open(str(finished)), sql).to_pylist()
    assert rows or title.startswith(MAY_BE_EMPTY)
    assert all(re.fullmatch(r"\w+", name) for row in rows for name in row)


def test_views_sql_opens_in_plain_duckdb_from_the_runs_folder(finished):
    program = (
        "import duckdb; db = duckdb.connect(); db.execute(open('views.sql').read())\n"
        "print(db.execute('select count(*) from rounds').fetchone()[0], len(db.execute('show tables').fetchall()))"
    )
    result = subprocess.run([sys.executable, "-c", program], cwd=finished, capture_output=True, text=True)
    assert result.stdout.split() == ["4", "19"], result.stderr
