"""LongVideoBench's list: the right candidate by number, groups by duration, category and topic."""

import json

import pytest

from storage.datasets import load, read
from storage.datasets.rows import BadRow
from storage.errors import UserError

ROW = {
    "id": "abc_0",
    "video_id": "abc",
    "video_path": "abc.mp4",
    "question": "What is on the table when the subtitle says so?",
    "question_wo_referring_query": "What is on the table?",
    "candidates": ["a cup", "a pan", "a hat"],
    "correct_choice": 1,
    "position": [12, 90],
    "topic_category": "LC-Lifestyle-Cooking-Recipes",
    "question_category": "T2O",
    "level": "L2-Relation",
    "duration": 14.5,
    "duration_group": 15,
    "subtitle_path": "abc_en.json",
    "starting_timestamp_for_subtitles": 0,
    "view_count": 900,
}


def write(folder, *rows):
    (folder / "lvb_val.json").write_text(json.dumps(rows, indent=1))
    return {"annotations": folder / "lvb_val.json", "video_root": folder / "videos"}


def test_a_row_is_a_sample(tmp_path):
    (sample,) = load("longvideobench", **write(tmp_path, ROW))
    assert (sample.sample_id, sample.question) == ("abc_0", "What is on the table when the subtitle says so?")
    assert (sample.answer, sample.options) == ("B", ("a cup", "a pan", "a hat"))
    assert (sample.duration_group, sample.category) == ("15", "T2O")
    assert (sample.domain, sample.split) == ("LC-Lifestyle-Cooking-Recipes", "validation")
    assert sample.video_path == str(tmp_path / "videos" / "abc.mp4")


@pytest.mark.parametrize(
    ("row", "said"),
    [
        (ROW | {"correct_choice": 3}, "[0]: correct_choice is 3: 0 to 2, a candidate"),
        (ROW | {"correct_choice": -1}, "[0]: correct_choice is -1: input should be greater than or equal to 0"),
        (ROW | {"correct_choice": 1.5}, "[0]: correct_choice is 1.5: input should be a valid integer"),
        ({k: v for k, v in ROW.items() if k != "correct_choice"}, "[0]: correct_choice is null: field required"),
        (ROW | {"duration_group": 30}, "[0]: duration_group is 30: input should be 15, 60, 600 or 3600"),
        (ROW | {"candidates": ["a cup"]}, '[0]: candidates is ["a cup"]: list should have at least 2 items'),
        (ROW | {"candidates": ["a cup", None]}, "[0]: candidates.1 is null: input should be a valid string"),
        (ROW | {"video_path": "../abc.mp4"}, '[0]: video_path is "../abc.mp4": a file below the data root'),
        (ROW | {"video_path": "/etc/abc.mp4"}, '[0]: video_path is "/etc/abc.mp4": a file below the data root'),
        (ROW | {"video_path": "."}, '[0]: video_path is ".": a file below the data root'),
        ("text", '[0]: the row is "text": input should be a valid dictionary'),
    ],
)
def test_a_bad_row_is_named_and_can_be_reported_instead(tmp_path, row, said):
    paths = write(tmp_path, row)
    with pytest.raises(BadRow) as caught:
        load("longvideobench", **paths)
    assert str(caught.value).startswith(f"{tmp_path}/lvb_val.json:{said}")
    assert read("longvideobench", **paths).rejected == [caught.value.rejected]


def test_rows_after_a_bad_one_keep_their_place_in_the_list(tmp_path):
    rows = [ROW, ROW | {"id": ""}, ROW | {"id": "abc_2", "likes": 3}, ROW]
    found = read("longvideobench", **write(tmp_path, *rows))
    assert [sample.sample_id for sample in found.samples] == ["abc_0", "abc_2"]
    assert [rejected.line for rejected in found.rejected] == ["[1]", "[3]"]
    assert dict(found.oddities) == {"field_not_read: likes": 1}


@pytest.mark.parametrize(
    ("text", "said"),
    [('{"id": 1}', "it is not a list of records"), ('[{"id": 1}', "cannot be read"), ("", "it is not a list")],
)
def test_a_file_that_is_no_list_is_one_line(tmp_path, text, said):
    paths = write(tmp_path)
    paths["annotations"].write_text(text)
    with pytest.raises(UserError, match=said):
        read("longvideobench", **paths)
    paths["annotations"] = tmp_path / "lvb_val.txt"
    with pytest.raises(UserError, match=r"lvb_val\.txt: records are read from \.jsonl, \.json, \.parquet"):
        read("longvideobench", **paths)
    paths["annotations"] = tmp_path / "missing.json"
    with pytest.raises(UserError, match=r"missing\.json: cannot be read .*No such file"):
        read("longvideobench", **paths)
