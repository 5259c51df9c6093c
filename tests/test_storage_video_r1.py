"""Records in Video-R1's shape: each problem type becomes one that a rule grades, or is rejected by name."""

import json
from pathlib import Path

import pytest

from stages.number import read_number
from stages.spans import read_spans
from storage.datasets import load, read
from storage.datasets.rows import BadRow
from storage.datasets.video_r1 import read as read_video_r1

REAL = Path(__file__).parents[2] / "shared" / "formats" / "video_r1"
ROW = {
    "problem_id": 12,
    "problem": "Which colour is the ball?",
    "data_type": "video",
    "problem_type": "multiple choice",
    "options": ["A. red", "B. blue", "C. U.S. green"],
    "solution": "<answer>B</answer>",
    "path": "./CLEVRER/train/1.mp4",
    "data_source": "CLEVRER",
}


def write(folder, *rows):
    (folder / "set.json").write_text(json.dumps(rows))
    return {"annotations": folder / "set.json", "video_root": folder / "data"}


def test_a_multiple_choice_row_is_a_sample(tmp_path):
    (sample,) = load("video_r1", **write(tmp_path, ROW))
    assert (sample.sample_id, sample.question, sample.domain) == ("12", "Which colour is the ball?", "CLEVRER")
    assert (sample.answer, sample.options) == ("B", ("red", "blue", "U.S. green"))
    assert (sample.problem_type, sample.split) == ("multiple_choice", "train")
    assert sample.video_path == str(tmp_path / "data" / "CLEVRER" / "train" / "1.mp4")


def test_options_without_labels_are_texts_already(tmp_path):
    options = ["U.S. army", "Type A. cell", "(none)"]
    (sample,) = load("video_r1", **write(tmp_path, ROW | {"options": options}))
    assert sample.options == tuple(options)


@pytest.mark.parametrize("solution", ["3", "-0.5", "1,200", "3/4", "+2", ".25", "2e-3", "50%", "7."])
@pytest.mark.parametrize("problem_type", ["numerical", "regression"])
def test_a_number_is_graded_as_the_number_it_is(tmp_path, problem_type, solution):
    row = ROW | {"problem_type": problem_type, "options": None, "solution": f"<answer>{solution}</answer>"}
    (sample,) = load("video_r1", **write(tmp_path, row))
    assert (sample.problem_type, sample.answer, sample.options) == ("number", solution, ())
    assert read_number(sample.answer) is not None


@pytest.mark.parametrize("problem_type", ["OCR", "free-form"])
def test_a_text_is_a_free_text(tmp_path, problem_type):
    row = ROW | {"problem_type": problem_type, "options": [], "solution": "<answer> EXIT 4 </answer>"}
    (sample,) = load("video_r1", **write(tmp_path, row))
    assert (sample.problem_type, sample.answer) == ("free_text", "EXIT 4")


def test_an_image_is_shown_alone(tmp_path):
    (sample,) = load("video_r1", **write(tmp_path, ROW | {"data_type": "image", "path": "./Math/1.png"}))
    assert (sample.video_path, sample.image_path) == (None, str(tmp_path / "data" / "Math" / "1.png"))


def test_a_span_is_grounded_in_seconds(tmp_path):
    solution = '<think>{"time": [2.69921875, 10.5], "boxes": {}}</think>'
    row = ROW | {"problem_type": "temporal grounding", "options": [], "solution": solution}
    (sample,) = load("video_r1", **write(tmp_path, row))
    assert (sample.problem_type, sample.spans) == ("temporal_grounding", ((2.69921875, 10.5),))
    assert (sample.answer, read_spans(sample.answer)) == ("2.70 to 10.50", ((2.7, 10.5),))


def test_groups_and_oddities(tmp_path):
    row = ROW | {"problem_id": "12", "domain": "Knowledge", "duration": "short", "data_source": "https://v.example/1"}
    row |= {"original_question_type": "OCR Problems", "start": 1.0, "end": 2, "subtitle": "", "process": ""}
    found = read("video_r1", **write(tmp_path, row), split="validation")
    (sample,) = found.samples
    assert (sample.category, sample.domain, sample.duration_group) == ("OCR Problems", "Knowledge", "short")
    assert sample.split == "validation"
    assert dict(found.oddities) == {"text_ids": 1, "parts_shown_whole": 1, "field_not_read: subtitle": 1}


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"problem_type": "essay"}, "problem_type is \"essay\": input should be 'multiple choice', 'numerical'"),
        ({"data_type": "audio"}, "data_type is \"audio\": input should be 'video' or 'image'"),
        ({"options": []}, "options is []: 2 to 26 options"),
        ({"options": None}, "options is []: 2 to 26 options"),
        ({"options": ["A. red", "C. blue"]}, 'options is "C. blue": its label is B, with a text after it'),
        ({"options": ["A. red", "B."]}, 'options is "B.": its label is B, with a text after it'),
        ({"solution": "<answer>D</answer>"}, 'solution is "D": the letter of an option, A to C'),
        ({"solution": "<answer>BC</answer>"}, 'solution is "BC": the letter of an option, A to C'),
        ({"solution": "B"}, 'solution is "B": an answer in <answer> </answer>, and nothing else'),
        ({"solution": "<answer> </answer>"}, 'solution is "<answer> </answer>": an answer in <answer>'),
        ({"problem_type": "numerical"}, 'solution is "B": one number in digits, such as 3, -0.5 or 3/4'),
        ({"problem_type": "numerical", "solution": "<answer>1/0</answer>"}, 'solution is "1/0": one number in'),
        ({"problem_type": "temporal grounding"}, 'solution is "<answer>B</answer>": it holds {"time"'),
        ({"problem_type": "temporal grounding", "solution": '{"time": [3, 3]}'}, 'solution is "{\\"time\\": [3, 3]}'),
        ({"path": "../x.mp4"}, 'path is "../x.mp4": a file below the data root'),
        ({"problem_id": -1}, "problem_id is -1: a whole number that is not negative, or a text"),
    ],
)
def test_a_bad_row_is_named_and_can_be_reported_instead(tmp_path, changes, said):
    paths = write(tmp_path, ROW | changes)
    with pytest.raises(BadRow) as caught:
        load("video_r1", **paths)
    assert str(caught.value).startswith(f"{tmp_path}/set.json:[0]: {said}")
    assert read("video_r1", **paths).rejected == [caught.value.rejected]


@pytest.mark.skipif(not REAL.is_dir(), reason="the real records are not beside this checkout")
@pytest.mark.parametrize(
    ("name", "problem_types", "categories"),
    [
        ("charades_sta", {"temporal_grounding"}, 1),
        ("longvideobench", {"multiple_choice"}, 1),
        ("lvbench", {"multiple_choice"}, 1),
        ("mmvu-mc", {"multiple_choice"}, 1),
        ("motionbench", {"multiple_choice"}, 2),
        ("mvbench", {"multiple_choice"}, 1),
        ("videomme", {"multiple_choice"}, 6),
        ("videommmu", {"multiple_choice"}, 1),
        ("vsibench", {"multiple_choice", "number"}, 3),
    ],
)
def test_the_real_records_load_whole(name, problem_types, categories):
    file = REAL / f"{name}.sample.json"
    found = read_video_r1(file, Path("/data"), "validation", on_bad_row="error")
    rows = json.loads(file.read_text())
    assert [sample.sample_id for sample in found.samples] == [str(row["problem_id"]) for row in rows]
    assert {sample.problem_type for sample in found.samples} == problem_types
    assert len({sample.category for sample in found.samples}) == categories
    for sample, row in zip(found.samples, rows, strict=True):
        if sample.options:
            assert f"{sample.answer}. {sample.options[ord(sample.answer) - 65]}" in row["options"]
        assert sample.video_path == str(Path("/data") / row["path"])
