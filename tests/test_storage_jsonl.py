"""Own JSON lines: what becomes a sample, and a bad row by file, line, field, value and rule."""

import json
import random
from dataclasses import replace

import pytest

from storage.datasets import load, read
from storage.datasets.rows import BadRow
from storage.errors import UserError
from storage.records import Sample

CHOICE = {
    "sample_id": "pan-1",
    "video": "kitchen/pan.mp4",
    "question": "What comes first?",
    "answer": "B",
    "problem_type": "multiple_choice",
    "options": ["salt", "oil"],
}
PLAIN = {name: value for name, value in CHOICE.items() if name != "options"} | {"sample_id": "pan-2"}
NUMBER = PLAIN | {"answer": "-0.5", "problem_type": "number"}
WHEN = PLAIN | {"answer": "0.5 to 1.5, 3 to 4", "problem_type": "temporal_grounding", "spans": [[0.5, 1.5], [3, 4]]}


def write(folder, *rows):
    (folder / "videos").mkdir(exist_ok=True)
    lines = [row if isinstance(row, bytes) else json.dumps(row).encode() for row in rows]
    (folder / "own.jsonl").write_bytes(b"".join(line + b"\n" for line in lines))
    return {"annotations": folder / "own.jsonl", "video_root": folder / "videos"}


def test_a_row_is_a_sample(tmp_path):
    more = {"image": "now.png", "split": "validation", "spans": [[0, 2]]}
    found = load("jsonl", **write(tmp_path, CHOICE | more, NUMBER))
    first = Sample(
        sample_id="pan-1",
        video_path=str(tmp_path / "videos/kitchen/pan.mp4"),
        question="What comes first?",
        answer="B",
        problem_type="multiple_choice",
        options=("salt", "oil"),
        spans=((0.0, 2.0),),
        split="validation",
        image_path=str(tmp_path / "videos/now.png"),
    )
    plain = {"options": (), "spans": (), "split": "train", "image_path": None}
    second = replace(first, sample_id="pan-2", answer="-0.5", problem_type="number", **plain)
    assert found == [first, second]


def test_spans_are_the_truth_of_when(tmp_path):
    (found,) = load("jsonl", **write(tmp_path, WHEN))
    assert (found.answer, found.spans) == ("0.5 to 1.5, 3 to 4", ((0.5, 1.5), (3.0, 4.0)))


def test_a_row_may_be_about_a_part_of_its_video(tmp_path):
    part, whole = load("jsonl", **write(tmp_path, WHEN | {"start": 60, "end": 72.5}, NUMBER | {"sample_id": "x"}))
    assert (part.part_start, part.part_end, part.media.part) == (60.0, 72.5, (60.0, 72.5))
    assert part.spans == ((0.5, 1.5), (3.0, 4.0))  # from the part's start, as the answer has them
    assert whole.media.part is None


def test_oddities_are_kept_and_counted(tmp_path):
    rows = (
        CHOICE | {"options": ["oil", "oil", "salt"]},
        CHOICE | {"sample_id": "x", "options": ["s", "oil", "s", "s"]},
    )
    found = read("jsonl", **write(tmp_path, *rows))
    assert len(found.samples) == 2
    assert dict(found.oddities) == {"duplicate_options": 2, "ambiguous_answer": 1}


@pytest.mark.parametrize(
    ("row", "said"),
    [
        (CHOICE | {"answer": "C"}, 'answer is "C": the letter of an option, A to B'),
        (CHOICE | {"answer": "AB"}, 'answer is "AB": the letter of an option, A to B'),
        (CHOICE | {"answer": "b"}, 'answer is "b": the letter of an option, A to B'),
        (CHOICE | {"options": ["oil"]}, 'options is ["oil"]: a multiple_choice question has 2 to 26 options'),
        (CHOICE | {"options": ["oil"] * 27}, 'options is ["oil", '),
        (PLAIN, "options is []: a multiple_choice question has 2 to 26 options"),
        (CHOICE | {"options": ["salt", ""]}, 'options.1 is "": string should have at least 1 character'),
        (CHOICE | {"options": ["salt", 2]}, "options.1 is 2: input should be a valid string"),
        (
            NUMBER | {"options": ["1", "2"]},
            'options is ["1", "2"]: only multiple_choice and grounded_choice have options',
        ),
        (NUMBER | {"answer": "three"}, 'answer is "three": one number in digits, such as 3, -0.5 or 3/4'),
        (NUMBER | {"answer": "٣"}, 'answer is "٣": one number in digits'),
        (NUMBER | {"answer": 3}, "answer is 3: input should be a valid string"),
        (WHEN | {"spans": []}, "spans is []: a temporal_grounding question has at least one span"),
        (WHEN | {"spans": [[1.5, 0.5]]}, "spans is [1.5, 0.5]: a span ends after it starts, in seconds"),
        (WHEN | {"spans": [[-1, 0.5]]}, "spans.0.0 is -1: input should be greater than or equal to 0"),
        (WHEN | {"spans": [[1, 2, 3]]}, "spans.0 is [1, 2, 3]: list should have at most 2 items"),
        (WHEN | {"answer": "0.5 to 1.5"}, 'answer is "0.5 to 1.5": it names the spans [[0.5, 1.5], [3.0, 4.0]]'),
        (CHOICE | {"problem_type": "grounded_choice"}, "spans is []: a grounded_choice question has at least one span"),
        (PLAIN | {"problem_type": "yes_no", "answer": "Yes"}, 'answer is "Yes": yes or no'),
        (NUMBER | {"spans": [[2, 2]]}, "spans is [2.0, 2.0]: a span ends after it starts"),
        (b'{"sample_id": "x", "spans": [[0, Infinity]]}', "question is null: field required"),
        (WHEN | {"spans": [[0, float("inf")]]}, "spans.0.1 is Infinity: input should be a finite number"),
        (CHOICE | {"problem_type": "count"}, "problem_type is \"count\": input should be 'multiple_choice', '"),
        (CHOICE | {"split": "test"}, "split is \"test\": input should be 'train' or 'validation'"),
        (CHOICE | {"qestion": "?"}, 'qestion is "?": extra inputs are not permitted'),
        (
            CHOICE | {"question": "<|video_pad|>?"},
            'question is "<|video_pad|>?": no text holds <|video_pad|>',
        ),
        (CHOICE | {"video": "../pan.mp4"}, 'video is "../pan.mp4": a file below the data root'),
        (CHOICE | {"video": "/etc/hosts"}, 'video is "/etc/hosts": a file below the data root'),
        (CHOICE | {"video": "a\0b.mp4"}, 'video is "a\\u0000b.mp4": a file below the data root'),
        (CHOICE | {"video": "out/pan.mp4"}, 'video is "out/pan.mp4": a file below the data root'),
        (CHOICE | {"image": "../now.png"}, 'image is "../now.png": a file below the data root'),
        (CHOICE | {"start": 1.0}, "end is null: start and end are both there, in seconds, and the part ends after it"),
        (CHOICE | {"end": 1.0}, "start is null: start and end are both there"),
        (CHOICE | {"start": 2.0, "end": 2.0}, "end is 2.0: start and end are both there"),
        (CHOICE | {"start": -1, "end": 2.0}, "start is -1: input should be greater than or equal to 0"),
        (CHOICE | {"start": "1", "end": 2.0}, 'start is "1": input should be a valid number'),
        (
            {**CHOICE, "image": "now.png", "video": None, "start": 1.0, "end": 2.0},
            "start is 1.0: a part is one of a video; an image has none",
        ),
        ([CHOICE], "the row is [{"),
        (b"{", 'the row is "{": JSON on one line: '),
        (b"", 'the row is "": JSON on one line: '),
        (b"\xff", 'the row is "\ufffd": JSON on one line: '),
        (b"[" * 100_000, 'the row is "[[['),
    ],
)
def test_a_bad_row_is_named_and_can_be_reported_instead(tmp_path, row, said):
    paths = write(tmp_path, CHOICE | {"sample_id": "good"}, row)
    (tmp_path / "videos/out").symlink_to(tmp_path)
    with pytest.raises(BadRow) as caught:
        load("jsonl", **paths)
    assert str(caught.value).startswith(f"{tmp_path}/own.jsonl:2: {said}")
    assert str(caught.value).endswith("; mend the row, or give data.on_bad_row = report to go on without it")
    found = read("jsonl", **paths)
    assert ([s.sample_id for s in found.samples], found.rejected) == (["good"], [caught.value.rejected])


def test_a_link_that_stays_below_the_root_is_followed(tmp_path):
    paths = write(tmp_path, CHOICE | {"video": "link/pan.mp4"})
    (tmp_path / "videos/kitchen").mkdir()
    (tmp_path / "videos/link").symlink_to("kitchen")
    assert load("jsonl", **paths)[0].video_path == str(tmp_path / "videos/kitchen/pan.mp4")


def test_an_id_that_is_there_twice_is_bad_once(tmp_path):
    found = read("jsonl", **write(tmp_path, CHOICE, CHOICE))
    assert len(found.samples) == 1
    assert str(found.rejected[0]).endswith('own.jsonl:2: sample_id is "pan-1": no row before it has this id')


def test_a_file_that_is_not_there_is_one_line(tmp_path):
    with pytest.raises(UserError, match=r"none\.jsonl: cannot be read \(No such file or directory\); give"):
        load("jsonl", annotations=tmp_path / "none.jsonl", video_root=tmp_path)


VALUES = [
    "",
    " ",
    "B",
    "3",
    "x" * 500,
    "ünü 猫",
    "\0",
    "../..",
    3,
    -1.5,
    None,
    True,
    [],
    [[]],
    [[1, 2]],
    {},
    ["a", "b"],
]


def test_ten_thousand_mutated_rows_are_loaded_right_or_named(tmp_path):
    rng, rows, untouched = random.Random(0), [], 0
    for number in range(10_000):
        row = rng.choice((CHOICE, NUMBER, WHEN)) | {"sample_id": str(number)}
        before = dict(row)
        for name in rng.sample([name for name in row if name != "sample_id"], rng.choice((0, 1, 1, 2))):
            row[name] = rng.choice(VALUES)
        untouched += row == before
        rows.append(row)
    found = read("jsonl", **write(tmp_path, *rows))
    assert len(found.samples) + len(found.rejected) == 10_000
    assert len(found.samples) >= untouched > 2000
    assert len(found.rejected) > 2000
    for sample in found.samples:
        row = rows[int(sample.sample_id)]
        assert sample.video_path == str(tmp_path / "videos" / row["video"].strip())
        assert (sample.question, sample.answer) == (row["question"].strip(), row["answer"].strip())
        assert sample.options == tuple(row.get("options", ()))
        assert sample.spans == tuple(map(tuple, row.get("spans", ())))
    bad = {int(rejected.line) for rejected in found.rejected}
    assert bad == set(range(1, 10_001)) - {int(sample.sample_id) + 1 for sample in found.samples}
