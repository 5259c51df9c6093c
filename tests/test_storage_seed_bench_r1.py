"""SEED-Bench-R1's files: options drawn by the row's id, the golden choice, videos and images where they are."""

import json
from collections import Counter

import pytest

from storage.datasets import load, read
from storage.datasets.rows import BadRow
from storage.errors import UserError

SHARED = {
    "sample_id": 7,
    "task_goal": "make tea",
    "video_source": "EpicKitchens",
    "video_id": "P09_01",
    "question": "What comes next?",
    "answer": "boil water",
    "task_progress_metadata": [{"narration_text": "take kettle", "start_frame": 3, "stop_frame": 60}],
    "video_basename": "P09_01_60.mp4",
    "current_observation_basename": "P09_01_60.png",
}
TRAIN = SHARED | {"negative_answers": ["open tap", "wash cup", "cut bread", "peel egg", "fold towel"]}
VALIDATION = SHARED | {
    "choice_a": "open tap",
    "choice_b": "wash cup",
    "choice_c": "boil water",
    "choice_d": "cut bread",
    "golden_choice_idx": "C",
    "domain": "Daily life",
    "scenario": "Cooking",
    "task_level": "L2",
}


def write(folder, train=(), validation=()):
    given = {"root": folder}
    for name, rows in (("train", train), ("validation", validation)):
        if rows:
            given[name] = folder / f"{name}.jsonl"
            given[name].write_text("".join(json.dumps(row) + "\n" for row in rows))
    return given


def test_a_training_row_is_a_sample_with_three_of_its_negatives(tmp_path):
    (sample,) = load("seed_bench_r1", **write(tmp_path, [TRAIN]))
    assert (sample.sample_id, sample.question, sample.problem_type) == (
        "train-7",
        "What comes next?",
        "multiple_choice",
    )
    assert sample.options["ABCD".index(sample.answer)] == "boil water"
    assert len(set(sample.options)) == 4
    assert set(sample.options) < {"boil water", *TRAIN["negative_answers"]}
    assert sample.video_path == str(tmp_path / "videos" / "EpicKitchens" / "P09_01_60.mp4")
    assert sample.image_path == str(tmp_path / "images" / "EpicKitchens" / "P09_01_60.png")
    assert (sample.split, sample.task_level) == ("train", None)


def test_options_follow_from_the_id_and_not_from_the_order_of_the_rows(tmp_path):
    rows = [TRAIN | {"sample_id": number} for number in range(400)]
    first = load("seed_bench_r1", **write(tmp_path, rows))
    shuffled = [row | {"negative_answers": row["negative_answers"][::-1]} for row in reversed(rows)]
    again = load("seed_bench_r1", **write(tmp_path, shuffled))
    assert again == first[::-1]
    # 400 rows, four places: 100 each, standard deviation 8.7. 400 x 3 negatives of five: 240 each, 9.8.
    assert all(abs(count - 100) < 35 for count in Counter(sample.answer for sample in first).values())
    drawn = Counter(option for sample in first for option in sample.options)
    assert all(abs(drawn[negative] - 240) < 40 for negative in TRAIN["negative_answers"])


def test_a_validation_row_keeps_its_options_and_groups(tmp_path):
    (sample,) = load("seed_bench_r1", **write(tmp_path, validation=[VALIDATION]))
    assert (sample.sample_id, sample.answer, sample.split) == ("L2-7", "C", "validation")
    assert sample.options == ("open tap", "wash cup", "boil water", "cut bread")
    assert (sample.task_level, sample.domain, sample.category) == ("L2", "Daily life", "Cooking")


def test_a_folder_holds_the_three_levels_and_both_splits_load_together(tmp_path):
    paths = write(tmp_path, [TRAIN])
    for level in ("L1", "L2", "L3"):
        row = VALIDATION | {"task_level": level, "domain": None if level != "L3" else "Work"}
        (tmp_path / f"validation_{level}.jsonl").write_text(json.dumps(row))
    samples = load("seed_bench_r1", **paths, validation=tmp_path)
    assert [sample.sample_id for sample in samples] == ["train-7", "L1-7", "L2-7", "L3-7"]
    assert [sample.domain for sample in samples] == [None, None, None, "Work"]


def test_oddities_are_kept_and_counted(tmp_path):
    rows = [
        TRAIN | {"sample_id": "a", "negative_answers": ["x", "x", "y", "z", "boil water"]},
        TRAIN | {"sample_id": "b", "current_observation_frame": 60},
        TRAIN | {"task_progress_metadata": [], "video_basename": None},
    ]
    found = read("seed_bench_r1", **write(tmp_path, rows, [VALIDATION | {"choice_a": "boil water"}]))
    assert set(found.samples[0].options) == {"boil water", "x", "y", "z"}
    assert found.samples[2].video_path is None
    assert found.samples[2].image_path == str(tmp_path / "images" / "EpicKitchens" / "P09_01_60.png")
    assert dict(found.oddities) == {
        "text_ids": 2,
        "empty_progress_metadata": 1,
        "repeated_negatives": 1,
        "field_not_read: current_observation_frame": 1,
        "duplicate_options": 1,
        "ambiguous_answer": 1,
    }


@pytest.mark.parametrize(
    ("row", "said"),
    [
        (TRAIN | {"sample_id": None}, "train.jsonl:1: sample_id is null: a whole number that is not"),
        (TRAIN | {"sample_id": True}, "train.jsonl:1: sample_id is true: a whole number that is not"),
        (TRAIN | {"video_source": "YouTube"}, 'train.jsonl:1: video_source is "YouTube": input should be \'EpicKit'),
        (TRAIN | {"negative_answers": ["x", "y", "y"]}, 'train.jsonl:1: negative_answers is ["x", "y", "y"]: three'),
        (TRAIN | {"negative_answers": ["x", "y", "boil water"]}, "train.jsonl:1: negative_answers is"),
        (TRAIN | {"answer": ""}, 'train.jsonl:1: answer is "": string should have at least 1 character'),
        (TRAIN | {"question": "<|video_pad|>"}, 'train.jsonl:1: question is "<|video_pad|>": no text holds'),
        (TRAIN | {"video_basename": "../../../x.mp4"}, 'train.jsonl:1: video_basename is "videos/EpicKitchens/../../'),
        (TRAIN | {"current_observation_basename": "../../../x"}, "train.jsonl:1: current_observation_basename is"),
        (TRAIN | {"video_basename": None}, "train.jsonl:1: video_basename is null: a file, as there is progress to"),
        (TRAIN | {"video_basename": "a\0b"}, "train.jsonl:1: video_basename is"),
        (VALIDATION | {"golden_choice_idx": "E"}, 'validation.jsonl:1: golden_choice_idx is "E": the letter of an opt'),
        (VALIDATION | {"golden_choice_idx": "A"}, 'validation.jsonl:1: answer is "boil water": the text of choice A'),
        (VALIDATION | {"task_level": "L4"}, "validation.jsonl:1: task_level is \"L4\": input should be 'L1'"),
        ([TRAIN], "train.jsonl:1: the row is"),
    ],
)
def test_a_bad_row_is_named_and_can_be_reported_instead(tmp_path, row, said):
    validates = "golden_choice_idx" in row
    paths = write(tmp_path, **{"validation" if validates else "train": [row]})
    with pytest.raises(BadRow) as caught:
        load("seed_bench_r1", **paths)
    assert str(caught.value).startswith(f"{tmp_path}/{said}")
    found = read("seed_bench_r1", **paths)
    assert (found.samples, found.rejected) == ([], [caught.value.rejected])


def test_a_line_that_is_no_json_and_an_id_that_is_there_twice_are_named(tmp_path):
    paths = write(tmp_path, [TRAIN, TRAIN])
    paths["train"].write_text("{\n" + paths["train"].read_text())
    found = read("seed_bench_r1", **paths)
    assert len(found.samples) == 1
    said = [str(rejected).removeprefix(f"{tmp_path}/") for rejected in found.rejected]
    assert said[0].startswith('train.jsonl:1: the row is "{": JSON on one line: ')
    assert said[1] == 'train.jsonl:3: sample_id is "train-7": no row before it has this id'


def test_annotations_are_asked_for(tmp_path):
    with pytest.raises(UserError, match="no annotations; give train, validation or both"):
        load("seed_bench_r1", root=tmp_path)
    with pytest.raises(UserError, match="give one or more of perception, comprehension, adaptation"):
        load("video_mmmu", video_root=tmp_path)
