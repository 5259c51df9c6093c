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


TIMED = [
    {"timestamp": [100.0, 103.5], "text": "before"},
    {"timestamp": [104.0, 108.5], "text": "first"},
    {"timestamp": [109.9, 110.1], "text": "a short one, over 110"},
    {"timestamp": [111.0, 113.0], "text": "between two frames"},
    {"timestamp": [112.5, None], "text": "to the end"},
]
CLOCKED = [
    {"start": "00:01:44.000", "end": "00:01:48.500", "line": "first"},
    {"start": "01:00:00.000", "end": "01:00:09.000", "line": "long after"},
]


def with_subtitles(folder, lines, **changes):
    (folder / "subtitles").mkdir()
    (folder / "subtitles" / "abc_en.json").write_text(json.dumps(lines))
    row = ROW | {"starting_timestamp_for_subtitles": 104, "duration": 12} | changes
    return write(folder, row) | {"subtitles": folder / "subtitles", "subtitle_frames": 4}


def test_subtitles_are_those_that_are_said_while_a_frame_is_seen(tmp_path):
    """Four frames of a video of 12 s that starts at 104 s: 104, 107, 110, 113 of the recording."""
    found = read("longvideobench", **with_subtitles(tmp_path, TIMED))
    assert found.samples[0].subtitles == ("first", "a short one, over 110", "to the end")
    assert dict(found.oddities) == {"null_subtitle_ends": 1}


def test_times_of_subtitles_may_be_written_as_a_clock_shows_them(tmp_path):
    assert load("longvideobench", **with_subtitles(tmp_path, CLOCKED))[0].subtitles == ("first",)


@pytest.mark.parametrize(
    ("lines", "changes", "said"),
    [
        ([{"timestamp": [1], "text": "a"}], {}, "abc_en.json:[0]: timestamp is [1]: list should have at least 2 items"),
        (
            [{"start": "1:02", "end": "1:03", "line": "a"}],
            {},
            'abc_en.json:[0]: start is "1:02": input should be a val',
        ),
        (
            [{"timestamp": [None, 2], "text": "a"}],
            {},
            "abc_en.json:[0]: timestamp is [null, 2.0]: start and end in sec",
        ),
        ([{"timestamp": [1, 2], "line": "a"}], {}, "abc_en.json:[0]: text is null: field required"),
        ({}, {}, 'lvb_val.json:[0]: subtitle_path is "abc_en.json": a file of subtitles ('),
        ([], {"subtitle_path": "none.json"}, 'lvb_val.json:[0]: subtitle_path is "none.json": a file of subtitles ('),
        ([], {"subtitle_path": "../lvb_val.json"}, 'lvb_val.json:[0]: subtitle_path is "../lvb_val.json": a'),
    ],
)
def test_subtitles_that_are_none_are_named(tmp_path, lines, changes, said):
    (rejected,) = read("longvideobench", **with_subtitles(tmp_path, lines, **changes)).rejected
    assert said in str(rejected)
