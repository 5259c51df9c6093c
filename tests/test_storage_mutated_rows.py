"""10,000 mutated rows over the adapters: each is loaded right, or named by file, place, field, value and rule."""

import copy
import json
import random
import re
from pathlib import Path

import pytest
from test_storage_benchmarks import MMVU, MVBENCH, VIDEO_MME, VIDEO_MMMU, VSI_BENCH, VSI_CHOICE
from test_storage_longvideobench import ROW as LONGVIDEOBENCH
from test_storage_seed_bench_r1 import TRAIN, VALIDATION
from test_storage_video_r1 import ROW as VIDEO_R1

from storage.datasets import read

NUM_ROWS = 1000
VALUES = [
    None, True, 0, -1, 2.5, 10**30, "", " ", "A", "B ", "b", "../..", "/etc/passwd", "a\0b", "x" * 5000, "ünü 猫",
    "<|image_pad|>", "<answer>B</answer>", "3", "NaN", [], ["A. one", "B. two"], ["one", "one"], [[]], {}, {"A": 1},
]  # fmt: skip
NUMBER = VIDEO_R1 | {"problem_type": "numerical", "options": None, "solution": "<answer>3</answer>"}
SPAN = VIDEO_R1 | {"problem_type": "temporal grounding", "options": [], "solution": '{"time": [1.5, 3]}'}
ASKED = {"question": "Fast?\nA. yes\nB. no", "answer": "A. yes"}


def labelled(row, answer):
    """The text of the option that is labelled with the letter in the field `answer`; that field if there are none."""
    letter = re.sub("<[^>]*>", "", row[answer]).strip()
    if not row["options"]:
        return letter
    texts = [re.sub(r"^[A-Z]\.\s+", "", option.strip()) for option in row["options"]]
    return texts["ABCDEFGHIJKLMNOPQRSTUVWXYZ".index(letter)]


def of_video_r1(row):
    return "1.50 to 3.00" if "grounding" in row["problem_type"] else labelled(row, "solution")


# Adapter: rows, field of the id, of the question, name of the file, argument that takes it, the right answer of a row.
SETS = {
    "seed_bench_r1 train": (
        [TRAIN], "sample_id", "question", "train.jsonl", "train", lambda row: row["answer"]),
    "seed_bench_r1 validation": (
        [VALIDATION], "sample_id", "question", "validation.jsonl", "validation",
        lambda row: row[f"choice_{row['golden_choice_idx'].strip().lower()}"]),
    "longvideobench": (
        [LONGVIDEOBENCH], "id", "question", "lvb_val.json", "annotations",
        lambda row: row["candidates"][row["correct_choice"]]),
    "video_r1": ([VIDEO_R1, NUMBER, SPAN], "problem_id", "problem", "set.json", "annotations", of_video_r1),
    "mvbench": ([MVBENCH], None, "question", "action_antonym.json", "annotations", lambda row: row["answer"]),
    "tempcompass": (
        [ASKED], None, None, "multi-choice.json", "questions", lambda row: row["answer"].strip().split(". ", 1)[1]),
    "video_mme": (
        [VIDEO_MME], "question_id", "question", "test.json", "annotations", lambda row: labelled(row, "answer")),
    "vsi_bench": (
        [VSI_BENCH, VSI_CHOICE], "id", "question", "test.jsonl", "annotations",
        lambda row: labelled(row, "ground_truth")),
    "video_mmmu": (
        [VIDEO_MMMU], "id", "question", "perception.json", "perception", lambda row: labelled(row, "answer")),
    "mmvu": (
        [MMVU], "id", "question", "validation.json", "annotations", lambda row: row["choices"][row["answer"].strip()]),
}  # fmt: skip


def mutated(row, values, rng):
    """`row` with none, one or two of its fields changed: another value, cut short, left out, one more beside it."""
    for _ in range(rng.choice((0, 1, 1, 1, 2))):
        name = rng.choice(sorted(row))
        change = rng.choice(("value", "value", "value", "cut", "leave out", "add"))
        if change == "value":
            row[name] = copy.deepcopy(rng.choice(values))
        elif change == "cut" and isinstance(row[name], str | list):
            row[name] = row[name][: rng.randrange(len(row[name]) + 1)]
        elif change == "leave out" and len(row) > 1:
            del row[name]
        else:
            row[f"{name} too"] = copy.deepcopy(rng.choice(values))
    return row


def write(file, rows):
    if file.name == "multi-choice.json":
        file.write_text(json.dumps({"10": {"speed": rows}}))
    elif file.suffix == ".jsonl":
        file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    else:
        file.write_text(json.dumps(rows))


def index_of(rejected):
    """Which row it is: lines count from 1, items of a list from 0."""
    number = int(re.findall(r"\d+", str(rejected.line))[-1])
    return number - 1 if rejected.file.endswith(".jsonl") else number


@pytest.mark.parametrize("name", SETS)
def test_mutated_rows_are_loaded_right_or_named(tmp_path, name):
    rng = random.Random(name)
    kinds, identity, question, file, argument, right = SETS[name]
    originals, rows = [], []
    values = VALUES + (["\ud800"] if file.endswith(".jsonl") else [])  # half a pair: no text
    for number in range(NUM_ROWS):
        original = copy.deepcopy(kinds[number % len(kinds)])
        if identity:
            original[identity] = f"validation_Math_{number}"
        originals.append(original)
        rows.append(mutated(copy.deepcopy(original), values, rng))
    write(tmp_path / file, rows)
    root = {"root" if "seed" in name else "video_root": tmp_path / "data"}
    found = read(name.split()[0], **{argument: tmp_path / file}, **root)

    bad = {index_of(rejected): rejected for rejected in found.rejected}
    assert len(found.samples) + len(bad) == NUM_ROWS
    assert len(bad) == len(found.rejected) > NUM_ROWS // 10
    assert all(rejected.field and rejected.rule for rejected in found.rejected)
    assert not [index for index in bad if rows[index] == originals[index]]
    good = [row for index, row in enumerate(rows) if index not in bad]
    for sample, row in zip(found.samples, good, strict=True):
        answer = sample.options["ABCDEFGHIJ".index(sample.answer)] if sample.options else sample.answer
        assert answer == right(row).strip()
        assert sample.question == (row[question].strip() if question else "Fast?")
        assert Path(sample.video_path or sample.image_path).is_relative_to(tmp_path / "data")
        assert "<|" not in sample.question + sample.answer + "".join(sample.options)
        json.dumps([sample.question, sample.answer, sample.options], ensure_ascii=False).encode()
