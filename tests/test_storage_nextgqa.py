"""NExT-GQA's files: what becomes a sample, what is odd, and a bad row by file, line, field, value and rule."""

import csv
import json
import random
from pathlib import Path

import pytest

from storage.datasets import load, read
from storage.datasets.rows import BadRow
from storage.errors import UserError

HEADER = "video_id,frame_count,width,height,question,answer,qid,type,a0,a1,a2,a3,a4".split(",")
ROW = dict(zip(HEADER, "17,300,640,480,what is red,ball,3,CW,cup,ball,tree,dog,hat".split(","), strict=True))
REAL = Path(__file__).parents[2] / "shared" / "formats" / "nextgqa"


def write(folder, rows=(ROW,), spans=None, places=None):
    with open(folder / "val.csv", "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(HEADER)
        writer.writerows([list(row.values()) for row in rows])
    spans = {"17": {"duration": 10, "fps": 29.97, "location": {"3": [[1, 2.5]]}}} if spans is None else spans
    (folder / "gsub.json").write_text(json.dumps(spans))
    (folder / "map.json").write_text(json.dumps({"17": "0001/17"} if places is None else places))
    return {
        "annotations": folder / "val.csv",
        "spans": folder / "gsub.json",
        "video_map": folder / "map.json",
        "video_root": folder / "videos",
    }


def test_a_row_is_a_sample(tmp_path):
    (sample,) = load("nextgqa", **write(tmp_path))
    assert (sample.sample_id, sample.question, sample.problem_type) == ("17-3", "what is red", "grounded_choice")
    assert (sample.answer, sample.options) == ("B", ("cup", "ball", "tree", "dog", "hat"))
    assert sample.category == "CW"
    assert (sample.spans, sample.split) == (((1.0, 2.5),), "train")
    assert sample.video_path == str(tmp_path / "videos" / "0001" / "17.mp4")


def test_oddities_are_kept_and_counted(tmp_path):
    spans = {"17": {"duration": 10, "fps": 25.0, "location": {"3": [[1, 2], [9, 10.5]]}}}
    found = read("nextgqa", **write(tmp_path, [ROW | {"a3": "ball"}], spans))
    assert found.samples[0].spans == ((1.0, 2.0), (9.0, 10.0))
    assert found.samples[0].answer == "B"
    assert dict(found.oddities) == {
        "several_spans": 1,
        "spans_past_the_end": 1,
        "duplicate_options": 1,
        "ambiguous_answer": 1,
    }


def grounding(location, **changes):
    return {"17": {"duration": 10, "fps": 25.0, "location": location, **changes}}


GOOD = {"3": [[1, 2]]}


@pytest.mark.parametrize(
    ("row", "spans", "places", "said"),
    [
        ({"answer": "bat"}, None, None, 'val.csv:2: answer is "bat": the text of one of the options'),
        ({"a4": " "}, None, None, 'val.csv:2: a4 is " ": string should have at least 1 character'),
        ({"width": "6.4"}, None, None, 'val.csv:2: width is "6.4": input should be a valid integer'),
        ({"frame_count": "0"}, None, None, "val.csv:2: frame_count is 0: input should be greater than or equal to 1"),
        ({"qid": "x"}, None, None, "val.csv:2: qid is \"x\": string should match pattern '^\\d+$'"),
        ({"qid": "4"}, None, None, "gsub.json:17: location.4 is null: every question has spans"),
        ({"extra": "more"}, None, None, 'val.csv:2: a column without a name is ["more"]: extra inputs are not'),
        ({}, {}, None, "gsub.json:17: location is null: every video of val.csv has spans"),
        ({}, None, {}, "map.json:17: path is null: every video of val.csv has a place"),
        ({}, None, {"17": "../../etc/17"}, 'map.json:17: video is "../../etc/17.mp4": a file below the data root'),
        ({}, grounding({"3": []}), None, "gsub.json:17: location.3 is []: list should have at least 1 item"),
        ({}, grounding({"3": [[2, 1]]}), None, "gsub.json:17: location.3 is [2.0, 1.0]: 0 <= start < end, in the"),
        ({}, grounding({"3": [[11, 12]]}), None, "gsub.json:17: location.3 is [11.0, 12.0]: 0 <= start < end, in"),
        ({}, grounding({"3": [[1]]}), None, "gsub.json:17: location.3.0 is [1]: list should have at least 2 items"),
        ({}, grounding({"3": [["1", 2]]}), None, 'gsub.json:17: location.3.0.0 is "1": input should be a valid'),
        ({}, grounding(GOOD, duration=None), None, "gsub.json:17: duration is null: input should be a valid number"),
        ({}, grounding(GOOD, more=1), None, "gsub.json:17: more is 1: extra inputs are not permitted"),
    ],
)
def test_a_bad_row_is_named_and_can_be_reported_instead(tmp_path, row, spans, places, said):
    paths = write(tmp_path, [ROW | row], spans, places)
    with pytest.raises(BadRow) as caught:
        load("nextgqa", **paths)
    assert str(caught.value).startswith(f"{tmp_path}/{said}")
    assert str(caught.value).endswith("; mend the row, or give data.on_bad_row = report to go on without it")
    found = read("nextgqa", **paths)
    assert (found.samples, found.rejected) == ([], [caught.value.rejected])


def test_a_question_that_is_there_twice_is_bad_once(tmp_path):
    found = read("nextgqa", **write(tmp_path, [ROW, ROW]))
    assert len(found.samples) == 1
    assert str(found.rejected[0]).endswith('val.csv:3: sample_id is "17-3": no row before it has this id')


def test_a_file_that_is_no_json_is_one_line(tmp_path):
    paths = write(tmp_path)
    paths["spans"].write_text("{")
    with pytest.raises(UserError, match=r"gsub\.json: cannot be read as JSON"):
        load("nextgqa", **paths)


CELLS = ["", " ", "0", "-1", "1e9", "ball", "x" * 500, "ünü 猫", '"', "a,b", "\x00", "null", "NaN", "../..", "9" * 40]


def test_ten_thousand_mutated_rows_are_loaded_right_or_named(tmp_path):
    rng = random.Random(0)
    rows, untouched = [], 0
    for qid in range(10_000):
        row = ROW | {"qid": str(qid)}
        for name in rng.sample([name for name in HEADER if name != "qid"], rng.choice((0, 1, 1, 2))):
            row[name] = rng.choice(CELLS)
        untouched += row == ROW | {"qid": str(qid)}
        rows.append(row)
    spans = grounding({str(qid): [[qid % 9, 9.5]] for qid in range(10_000)})
    found = read("nextgqa", **write(tmp_path, rows, spans))
    assert len(found.samples) + len(found.rejected) == 10_000
    assert len(found.samples) >= untouched > 2000
    assert len(found.rejected) > 2000
    by_id = {f"{row['video_id'].strip()}-{row['qid'].strip()}": row for row in rows}
    for sample in found.samples:
        row = by_id[sample.sample_id]
        assert sample.options["ABCDE".index(sample.answer)] == row["answer"].strip()
        assert sample.options == tuple(row[f"a{i}"].strip() for i in range(5))
        assert sample.spans == ((int(row["qid"]) % 9, 9.5),)
    assert all(int(rejected.line) >= 2 for rejected in found.rejected if rejected.file.endswith("val.csv"))


@pytest.mark.skipif(not REAL.is_dir(), reason="the real files are not beside this checkout")
def test_the_real_validation_files_load_whole():
    paths = {"annotations": "val.csv", "spans": "gsub_val.json", "video_map": "map_vid_vidorID.json"}
    given = {name: REAL / file for name, file in paths.items()}
    found = read("nextgqa", **given, video_root=Path("/data"))
    assert (len(found.samples), found.rejected) == (3358, [])
    assert dict(found.oddities) == {"several_spans": 339, "spans_past_the_end": 3, "duplicate_options": 1}
    truth = json.loads(given["spans"].read_text())
    assert sum(len(s.spans) for s in found.samples) == sum(
        len(spans) for video in truth.values() for spans in video["location"].values()
    )
