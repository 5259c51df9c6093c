"""SEED-Bench-R1: what to do next in a kitchen or workshop (arXiv:2503.24376); JSON lines.

    training.jsonl         sample_id, task_goal, question, answer, negative_answers, task_progress_metadata, ...
    validation_L1.jsonl    the same with choice_a .. choice_d, golden_choice_idx, domain, scenario, task_level

A row shows the task so far as `videos/<video_source>/<video_basename>` and what is seen now as
`images/<video_source>/<current_observation_basename>`. With empty progress metadata there is no video, only the image.

The published code draws a training row's three wrong options anew in every run; here they follow from the row's id.
Oddities that are counted, and kept: ids that are text (those of L3), negative answers that repeat, empty progress
metadata.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field

from storage.datasets.collect import Converted, collect
from storage.datasets.data_root import path_below
from storage.datasets.fields import Id, Letter, PublishedRow, Text, odd_id
from storage.datasets.options import LETTERS, letter_of, right_letter
from storage.datasets.record_files import annotation_files, records
from storage.datasets.rows import Loaded, OnBadRow, Place, Row, bad, checked
from storage.digest import sha256_value
from storage.errors import UserError
from storage.records import Sample

NUM_NEGATIVES = 3


class Progress(Row):
    """A step of the task that is done; its frames are those of the recording that the clip was cut from."""

    narration_text: str
    start_frame: Annotated[float, Field(ge=0)]
    stop_frame: Annotated[float, Field(ge=0)]


class Question(PublishedRow):
    """What training and validation rows share."""

    sample_id: Id
    task_goal: Text
    video_source: Literal["EpicKitchens", "Ego4D"]
    video_id: Text
    question: Text
    answer: Text
    task_progress_metadata: list[Progress]
    video_basename: Text | None = None
    current_observation_basename: Text


class Training(Question):
    """A row without options."""

    negative_answers: list[Text]


class Validation(Question):
    """A row with its options."""

    choice_a: Text
    choice_b: Text
    choice_c: Text
    choice_d: Text
    golden_choice_idx: Letter
    domain: Text | None = None
    scenario: Text | None = None
    task_level: Literal["L1", "L2", "L3"]


def read(root: Path, train: Path | None = None, validation: Path | None = None, *, on_bad_row: OnBadRow) -> Loaded:
    """The questions of a training file, of a validation file or of the folder that holds all three, or of both.

    `root` is the folder that holds `videos` and `images`.
    """
    if not (train or validation):
        raise UserError("seed_bench_r1: no annotations; give train, validation or both")

    def convert(values: Any, place: Place) -> Converted:
        if place.file == train:
            return _training(checked(Training, values, *place), root, place)
        return _validation(checked(Validation, values, *place), root, place)

    files = [train] if train else []
    files += annotation_files(validation, "validation*.jsonl") if validation else []
    return collect((record for file in files for record in records(file)), convert, on_bad_row)


def _training(row: Training, root: Path, place: Place) -> Converted:
    sample_id = f"train-{row.sample_id}"
    negatives = set(row.negative_answers) - {row.answer}
    if len(negatives) < NUM_NEGATIVES:
        raise bad(*place, "negative_answers", row.negative_answers, "three that differ, none of them the answer")
    drawn = _in_drawn_order("negatives", sample_id, negatives)[:NUM_NEGATIVES]
    options = _in_drawn_order("options", sample_id, {row.answer, *drawn})
    found = ["repeated_negatives"] if len(negatives) < len(row.negative_answers) else []
    sample = _sample(row, sample_id, options, letter_of(row.answer, options, place), root, place)
    return sample, found + _oddities(row)


def _validation(row: Validation, root: Path, place: Place) -> Converted:
    options = [row.choice_a, row.choice_b, row.choice_c, row.choice_d]
    letter = right_letter(row.golden_choice_idx, options, place, "golden_choice_idx")
    if options[LETTERS.index(letter)] != row.answer:
        raise bad(*place, "answer", row.answer, f"the text of choice {letter}, which golden_choice_idx names")
    sample = _sample(row, f"{row.task_level}-{row.sample_id}", options, letter, root, place)
    sample = dataclasses.replace(
        sample, split="validation", task_level=row.task_level, category=row.scenario, domain=row.domain
    )
    return sample, _oddities(row)


def _in_drawn_order(what: str, sample_id: str, texts: Iterable[str]) -> list[str]:
    """`texts` in an order that depends on nothing but them, the sample's id and what is drawn."""
    return sorted(texts, key=lambda text: sha256_value([what, sample_id, text]))


def _sample(row: Question, sample_id: str, options: Sequence[str], letter: str, root: Path, place: Place) -> Sample:
    video = None
    if row.task_progress_metadata:
        if row.video_basename is None:
            raise bad(*place, "video_basename", None, "a file, as there is progress to show")
        video = path_below(root, f"videos/{row.video_source}/{row.video_basename}", place, "video_basename")
    image = f"images/{row.video_source}/{row.current_observation_basename}"
    return Sample(
        sample_id,
        video,
        row.question,
        letter,
        "multiple_choice",
        tuple(options),
        image_path=path_below(root, image, place, "current_observation_basename"),
    )


def _oddities(row: Question) -> list[str]:
    return row.not_read() + odd_id(row.sample_id) + ([] if row.task_progress_metadata else ["empty_progress_metadata"])
