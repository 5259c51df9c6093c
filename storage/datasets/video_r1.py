"""Video-R1-260k and the many sets in its record shape (arXiv:2503.21776); a JSON list.

    problem_id, problem, data_type (video or image), problem_type, options ("A. ..."), solution ("<answer>A</answer>"),
    path, data_source; sets in this shape add original_question_type, domain, duration and more

What a problem type becomes:

    multiple choice          multiple_choice
    numerical, regression    number; a response is right if it is that number. The published reward of a regression
                             counts what is near it too
    OCR, free-form           free_text, by F1 of the words. The published rewards are one minus the word error rate, and
                             ROUGE
    temporal grounding       temporal_grounding; the solution holds {"time": [start, end]}

Oddities that are counted, and kept: ids that are text, and rows with `start` and `end`, of which the published
evaluation shows the whole video too.
"""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path
from typing import Any, Literal

from storage.datasets.collect import Converted, collect
from storage.datasets.data_root import path_below
from storage.datasets.fields import Id, PublishedRow, Text, odd_id
from storage.datasets.numbers import in_digits
from storage.datasets.options import option_texts, right_letter
from storage.datasets.record_files import records
from storage.datasets.rows import Loaded, OnBadRow, Place, bad, checked
from storage.records import Sample

_ANSWER = re.compile(r"<answer>(.*)</answer>", re.DOTALL)
_TIME = re.compile(r'"time":\s*\[\s*(\d{1,6}(?:\.\d+)?)\s*,\s*(\d{1,6}(?:\.\d+)?)\s*\]', re.ASCII)


class Problem(PublishedRow):
    """An item of the list."""

    problem_id: Id
    problem: Text
    data_type: Literal["video", "image"]
    problem_type: Literal["multiple choice", "numerical", "regression", "OCR", "free-form", "temporal grounding"]
    options: list[Text] | None
    solution: Text
    path: Text
    data_source: Text | None = None
    original_question_type: str | None = None
    process: str | None = None
    domain: Text | None = None
    duration: Literal["short", "medium", "long"] | None = None
    start: float | None = None
    end: float | None = None


def read(
    annotations: Path, video_root: Path, split: Literal["train", "validation"] = "train", *, on_bad_row: OnBadRow
) -> Loaded:
    """The problems of `annotations`, all of one split; `path` is below `video_root`."""

    def convert(values: Any, place: Place) -> Converted:
        row = checked(Problem, values, *place)
        sample = _graded(row, place, _unanswered(row, video_root, split, place))
        parts = ["parts_shown_whole"] if row.start is not None else []
        return sample, row.not_read() + odd_id(row.problem_id) + parts

    return collect(records(annotations), convert, on_bad_row)


def _unanswered(row: Problem, root: Path, split: str, place: Place) -> Sample:
    """The sample but for what depends on the problem type."""
    file = path_below(root, row.path, place, "path")
    return Sample(
        str(row.problem_id),
        file if row.data_type == "video" else None,
        row.problem,
        "",
        "free_text",
        split=split,
        category=row.original_question_type or None,
        domain=row.domain or _source(row),
        duration_group=row.duration,
        image_path=file if row.data_type == "image" else None,
    )


def _source(row: Problem) -> str | None:
    """The set that the row is from; None where the field is the address of one video."""
    return None if row.data_source is None or "://" in row.data_source else row.data_source


def _graded(row: Problem, place: Place, sample: Sample) -> Sample:
    """`sample` with the problem type that grades it, and the answer in its form."""
    if row.problem_type == "temporal grounding":
        start, end = _span(row, place)
        answer = f"{start:.2f} to {end:.2f}"
        return dataclasses.replace(sample, answer=answer, problem_type="temporal_grounding", spans=((start, end),))
    answer = _answer(row, place)
    if row.problem_type == "multiple choice":
        options = option_texts(row.options or [], place)
        letter = right_letter(answer, options, place, "solution")
        return dataclasses.replace(sample, answer=letter, problem_type="multiple_choice", options=options)
    if row.problem_type in ("numerical", "regression"):
        return dataclasses.replace(sample, answer=in_digits(answer, place, "solution"), problem_type="number")
    return dataclasses.replace(sample, answer=answer)


def _answer(row: Problem, place: Place) -> str:
    found = _ANSWER.fullmatch(row.solution)
    if found is None or not found.group(1).strip():
        raise bad(*place, "solution", row.solution, "an answer in <answer> </answer>, and nothing else")
    return found.group(1).strip()


def _span(row: Problem, place: Place) -> tuple[float, float]:
    found = _TIME.search(row.solution)
    start, end = map(float, found.groups()) if found else (0.0, 0.0)
    if not start < end:
        raise bad(*place, "solution", row.solution, 'it holds {"time": [start, end]}, in seconds, start before end')
    return start, end
