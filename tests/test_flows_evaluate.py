"""An evaluation outside a run: done, gone on with, measured, shown, compared."""

import dataclasses
import io
import json
import shutil

import pytest
from conftest import call, one_line
from rich.console import Console

from flows.config import load_config
from flows.results import as_json, differences, results_of
from flows.results_view import markdown, print_results
from flows.session import open_session
from flows.stages import run_stage
from storage.errors import UserError
from storage.query import query
from storage.run import Run

SETTINGS = [
    "engine.type=deterministic",
    "data.num_train=8",
    "select.samples_per_round=8",
    "data.num_validation=9",
    "evaluate.num_samples=2",
    "evaluate.shard_size=4",
]


def evaluated(folder, *sets):
    """The results of an evaluation in `folder`, as the command makes them but without Prefect."""
    config = load_config("tiny", [*SETTINGS, *sets])
    with open_session(str(folder), config, Console(file=io.StringIO())) as session:
        run_stage(session, "evaluate", 0)
        return results_of(session.run, 0)


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    folder = tmp_path_factory.mktemp("evaluation") / "run"
    return folder, evaluated(folder)


def shown(results, found=(), width=80):
    console = Console(file=io.StringIO(), width=width)
    print_results(results, found, console)
    return console.file.getvalue()


def test_every_question_has_a_greedy_response_and_the_sampled_ones(done):
    folder, results = done
    run = Run.open(str(folder))
    counts = query(run, "select temperature, count(*) as n, max(response_index) as last from evaluations group by all")
    assert sorted(map(tuple, (row.values() for row in counts.to_pylist()))) == [(0.0, 9, 0), (1.0, 18, 1)]
    assert results.num_unanswered == 0
    accuracy = query(run, "select avg(reward_accuracy) as a from evaluations where temperature = 0").to_pylist()[0]["a"]
    (cell,) = [c for c in results.measured if (c.form, c.row, c.column) == ("strict", "greedy", "all")]
    assert cell.value == pytest.approx(accuracy)
    levels = query(run, "select sum(num_samples) as n from evaluation_levels").to_pylist()
    assert levels == [{"n": 9}]  # the sampled ones are not counted among them


def test_a_killed_evaluation_goes_on_where_it_was(done, tmp_path):
    shutil.copytree(done[0], tmp_path / "run")
    (attempt,) = (tmp_path / "run/rounds/00000/evaluate").glob("*/0")
    for name in ("manifest.json", "shard-00002.json"):
        (attempt / name).unlink()
    before = {path: path.read_bytes() for path in attempt.glob("*-0000[01]*")}
    again = evaluated(tmp_path / "run")
    assert dataclasses.replace(again, run_dir=done[1].run_dir) == done[1]
    assert {path: path.read_bytes() for path in attempt.glob("*-0000[01]*")} == before
    assert len(list(attempt.glob("evaluations-00002-*"))) == 2  # the third shard alone was done again


def test_the_table_has_every_value_within_eighty_columns_and_a_wide_one_goes_on_below(done):
    results = done[1]
    text = shown([results])
    assert max(map(len, text.splitlines())) <= 80
    for cell in results.measured:
        assert cell.value is None or f"{100 * cell.value:.1f}" in text
    narrow = shown([results], width=50)
    assert narrow.count("greedy") == 4  # each form in two blocks
    assert narrow.count("mIoU") == 2
    assert shown([results], width=160).count("greedy") == 2
    assert f"| greedy | {100 * results.measured[0].value:.1f} |" in markdown(results)


def test_a_model_compared_with_itself_does_not_differ(done):
    results = done[1]
    found = differences(results, results)
    assert {(cell.value, cell.low, cell.high) for cell in found} == {(0.0, 0.0, 0.0), (None, None, None)}
    assert {cell.p for cell in found if cell.row == "greedy" and cell.column in ("L1", "all")} == {1.0}
    assert "A - B" in shown([results, results], found, width=120)
    written = json.loads(json.dumps(as_json([results, results], found)))
    assert len(written["models"]) == 2
    assert written["models"][0]["cells"][0] == dataclasses.asdict(results.measured[0])
    assert len(written["differences"]) == len(found)


def test_two_models_compare_on_the_same_questions_alone(done, tmp_path):
    other = evaluated(tmp_path / "run", "data.num_validation=6")
    with pytest.raises(UserError, match="different data"):
        differences(done[1], other)


def test_a_question_whose_video_is_gone_counts_as_wrong_and_is_told(tmp_path):
    config = load_config("tiny", SETTINGS)
    with open_session(str(tmp_path / "run"), config, Console(file=io.StringIO())) as session:
        (tmp_path / "run/data/videos/shapes-validation-00004.mp4").unlink()
        run_stage(session, "evaluate", 0)
        results = results_of(session.run, 0)
    assert results.num_unanswered == 1
    assert "1 without a response, which count 0" in shown([results])
    assert {cell.num_samples for cell in results.measured if cell.column == "all"} == {9}


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["nowhere.toml"], "nowhere.toml: cannot be read"),
        (["tiny", "--model", "nowhere"], "model.path: nowhere"),
        (["tiny", "--against", "nowhere"], "model.path: nowhere"),
        (["tiny", "--json", "nowhere/result.json"], "the folder nowhere is not there"),
        (["tiny", "--set", "evaluate.top_p=0"], "evaluate.top_p is 0"),
    ],
)
def test_wrong_input_is_one_line_before_anything_is_begun(capfd, tmp_path, monkeypatch, arguments, said):
    monkeypatch.chdir(tmp_path)
    code, _, err = call(capfd, "evaluate", *arguments)
    assert code == 2
    assert said in one_line(err)
    assert not list(tmp_path.rglob("run.json"))
