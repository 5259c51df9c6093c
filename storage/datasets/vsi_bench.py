"""VSI-Bench: distances, sizes, counts and directions in filmed rooms (arXiv:2412.14171); JSON lines or Parquet.

    id, dataset, scene_name (the video is `<dataset>/<scene_name>.mp4`), question_type, question, options ("A. ...", or
    null), ground_truth (a letter, or a number as text)

Numbers are scored by mean relative accuracy; a response that is rewarded here must be the number itself.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from storage.datasets.collect import Converted, collect
from storage.datasets.data_root import path_below
from storage.datasets.fields import Id, PublishedRow, Text, odd_id
from storage.datasets.numbers import in_digits
from storage.datasets.options import option_texts, right_letter
from storage.datasets.record_files import records
from storage.datasets.rows import Loaded, OnBadRow, Place, bad, checked
from storage.records import ProblemType, Sample

NUMBER_QUESTIONS = ("object_abs_distance", "object_counting", "object_size_estimation", "room_size_estimation")


class Question(PublishedRow):
    """A row of the file."""

    id: Id
    dataset: Literal["arkitscenes", "scannet", "scannetpp"]
    scene_name: Text
    question_type: Literal[
        "object_abs_distance",
        "object_counting",
        "object_size_estimation",
        "room_size_estimation",
        "object_rel_direction_easy",
        "object_rel_direction_medium",
        "object_rel_direction_hard",
        "object_rel_distance",
        "route_planning",
        "obj_appearance_order",
    ]
    question: Text
    ground_truth: Text
    options: list[Text] | None


def read(annotations: Path, video_root: Path, *, on_bad_row: OnBadRow) -> Loaded:
    """The questions of `annotations`, all of the validation split; `category` is the question's type."""

    def convert(values: Any, place: Place) -> Converted:
        row = checked(Question, values, *place)
        problem_type, answer, options = _answer(row, place)
        sample = Sample(
            str(row.id),
            path_below(video_root, f"{row.dataset}/{row.scene_name}.mp4", place, "scene_name"),
            row.question,
            answer,
            problem_type,
            options,
            split="validation",
            category=row.question_type,
            domain=row.dataset,
        )
        return sample, row.not_read() + odd_id(row.id)

    return collect(records(annotations), convert, on_bad_row)


def _answer(row: Question, place: Place) -> tuple[ProblemType, str, tuple[str, ...]]:
    if row.question_type not in NUMBER_QUESTIONS:
        options = option_texts(row.options or [], place)
        return "multiple_choice", right_letter(row.ground_truth, options, place, "ground_truth"), options
    if row.options:
        raise bad(*place, "options", row.options, "none, as the question asks for a number")
    return "number", in_digits(row.ground_truth, place, "ground_truth"), ()
