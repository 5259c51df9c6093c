"""The embedded data set: questions about coloured objects in short real video files, made from one seed.

`generate` writes `root/videos/*.mp4` (H.264, 8 frames of 84 x 84 pixels at 4 frames per second) and
`root/samples.jsonl`, one record a sample in the own-jsonl format plus `trace` (gold reasoning, for the warm-up only),
`kind`, `difficulty` (0 easy to 1 hard, as drawn) and `objects` (what was drawn). The record file is written last.

Validation samples take turns in three levels, as SEED-Bench-R1 has them: L1 is drawn as the training split is; L2 asks
the same questions in a new environment; L3 asks new questions there.
"""

from __future__ import annotations

import json
import os
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from storage.datasets.shapes_environment import FAMILIAR, NEW, scene_of
from storage.datasets.shapes_new_tasks import NEW_KINDS
from storage.datasets.shapes_question import KINDS
from storage.datasets.shapes_scene import FPS, Thing, draw
from storage.encode import write_video
from storage.errors import UserError
from storage.records import Sample

RECORDS = "samples.jsonl"
NUM_OPTIONS = 4
VERSION = 3  # of the data set and of the benchmark on it: raise it when the same seed would draw another one
LETTERS = "ABCD"
LEVELS = {"L1": (KINDS, FAMILIAR), "L2": (KINDS, NEW), "L3": (NEW_KINDS, NEW)}
"""What each level asks, and where; the training split is drawn as L1 is."""
IN_ORDER = ("first", "last")
"""Kinds whose wrong options are first of all the other colours of the scene."""


def generate(root: Path, *, seed: int, num_train: int, num_validation: int) -> None:
    """Writes the data set; the same arguments give the same bytes, and a finished one is left as it is.

    Raises UserError if `root` holds a data set made with other arguments.
    """
    made_with = {"version": VERSION, "seed": seed, "num_train": num_train, "num_validation": num_validation}
    if (root / RECORDS).exists():
        found = json.loads((root / "made_with.json").read_text())
        if found != made_with:
            raise UserError(
                f"{root}: holds shapes made with {found}, not {made_with}; data and seed are a run's identity: "
                "choose another --run-dir or restore them"
            )
        return
    (root / "videos").mkdir(parents=True, exist_ok=True)
    records = [
        _make(root, split, index, np.random.default_rng([seed, part, index]))
        for part, (split, number) in enumerate((("train", num_train), ("validation", num_validation)))
        for index in range(number)
    ]
    _write(root / "made_with.json", json.dumps(made_with) + "\n")
    _write(root / RECORDS, "".join(json.dumps(record) + "\n" for record in records))


def _make(root: Path, split: str, index: int, rng: np.random.Generator) -> dict[str, Any]:
    """Draws one sample, writes its video, returns its record."""
    level = None if split == "train" else tuple(LEVELS)[index % len(LEVELS)]
    kinds, environment = LEVELS[level or "L1"]
    kind, maker, problem_type, _ = kinds[int(rng.choice(len(kinds), p=[share for *_, share in kinds]))]
    difficulty = float(rng.uniform())
    drawn = maker(rng, difficulty)
    scene = scene_of(rng, drawn.things, difficulty, environment)
    sample_id = f"shapes-{split}-{index:05d}"
    video = f"videos/{sample_id}.mp4"
    _write_video(root / video, draw(scene, rng))
    answer, conclusion, options = drawn.answer, drawn.conclusion, list[str]()
    if problem_type == "multiple_choice":
        others = [choice for choice in dict.fromkeys(drawn.choices) if choice != answer]
        if kind not in IN_ORDER:
            others = [others[i] for i in rng.permutation(len(others))]
        options = [answer, *others[: NUM_OPTIONS - 1]]
        options = [options[i] for i in rng.permutation(NUM_OPTIONS)]
        answer = LETTERS[options.index(drawn.answer)]
        conclusion = f"{conclusion} {answer}"
    return {
        "sample_id": sample_id,
        "video": video,
        "question": drawn.question,
        "answer": answer,
        "problem_type": problem_type,
        "options": options,
        "spans": drawn.spans,
        "split": split,
        "task_level": level,
        "trace": f"{drawn.evidence} {conclusion}.",
        "kind": kind,
        "difficulty": round(difficulty, 4),
        "objects": [asdict(thing) for thing in scene.things],
    }


def _write_video(path: Path, frames: np.ndarray) -> None:
    temporary = path.with_name(f".{os.getpid()}-{path.name}")
    write_video(temporary, frames, FPS, "h264")
    os.replace(temporary, path)


def _write(path: Path, text: str) -> None:
    temporary = path.with_name(f".{os.getpid()}-{path.name}")
    temporary.write_text(text)
    os.replace(temporary, path)


def _records(root: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (root / RECORDS).read_text().splitlines()]


def load(root: Path) -> list[Sample]:
    """The samples in the order of the file, training first, with `video_path` below `root`."""
    return [
        Sample(
            sample_id=record["sample_id"],
            video_path=str(root.absolute() / record["video"]),
            question=record["question"],
            answer=record["answer"],
            problem_type=record["problem_type"],
            options=tuple(record["options"]),
            spans=tuple((start, end) for start, end in record["spans"]),
            split=record["split"],
            task_level=record["task_level"],
        )
        for record in _records(root)
    ]


def traces(root: Path) -> dict[str, str]:
    """Gold reasoning by sample id: evidence first, the answer in the last sentence only."""
    return {record["sample_id"]: record["trace"] for record in _records(root)}


def objects(root: Path) -> dict[str, tuple[Thing, ...]]:
    """What was drawn, by sample id."""
    return {record["sample_id"]: tuple(Thing(**thing) for thing in record["objects"]) for record in _records(root)}
