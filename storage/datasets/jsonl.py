"""Own videos: JSON lines, a question a line, in a file that the user wrote.

    {"sample_id": "pan-1", "video": "pan.mp4", "question": "What comes first?", "answer": "B",
     "problem_type": "multiple_choice", "options": ["salt", "oil"], "split": "train"}

`spans`, in seconds, are the truth of a `temporal_grounding` question, whose answer names the same ones in words.
`start` and `end`, in seconds, are the part of the video that is shown, if not all is; `spans` then count from `start`.
Oddities that are counted, and kept: the same option twice, an answer that is the text of two options.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from storage.datasets.collect import Converted, collect
from storage.datasets.data_root import path_below
from storage.datasets.fields import Seconds, Span, Text
from storage.datasets.numbers import in_digits
from storage.datasets.options import LETTERS, right_letter
from storage.datasets.parts import check_part
from storage.datasets.record_files import records
from storage.datasets.rows import Loaded, OnBadRow, Place, Row, bad, checked
from storage.records import ProblemType, Sample


class Record(Row):
    """A line of the file."""

    sample_id: Text
    video: Text | None = None
    question: Text
    answer: Text
    problem_type: ProblemType
    options: list[Text] = Field(default=[])
    spans: list[Span] = Field(default=[])
    image: Text | None = None
    subtitles: list[Text] = Field(default=[])
    start: Seconds | None = None
    end: Seconds | None = None
    split: Literal["train", "validation"] = "train"


def read(annotations: Path, video_root: Path, *, on_bad_row: OnBadRow) -> Loaded:
    """The questions of `annotations` as samples; videos and images are paths below `video_root`."""

    def convert(values: Any, place: Place) -> Converted:
        row = checked(Record, values, *place)
        if row.video is None and row.image is None:
            raise bad(*place, "video", None, "a question is about a video, an image or both")
        if row.video is None and row.start is not None:
            raise bad(*place, "start", row.start, "a part is one of a video; an image has none")
        check_part(row.start, row.end, place)
        _check_answer(row, place)
        return _sample(row, video_root, place), []

    return collect(records(annotations), convert, on_bad_row)


def _check_answer(row: Record, place: Place) -> None:
    """BadRow for options, spans or an answer that do not go with the problem type."""
    kind = row.problem_type
    if kind in ("multiple_choice", "grounded_choice"):
        if not 2 <= len(row.options) <= len(LETTERS):
            raise bad(*place, "options", row.options, f"a {kind} question has 2 to {len(LETTERS)} options")
        right_letter(row.answer, row.options, place)
    elif row.options:
        raise bad(*place, "options", row.options, f"only multiple_choice and grounded_choice have options, not {kind}")
    for start, end in row.spans:
        if not start < end:
            raise bad(*place, "spans", [start, end], "a span ends after it starts, in seconds")
    if kind == "number":
        in_digits(row.answer, place, "answer")
    if kind == "yes_no" and row.answer not in ("yes", "no"):
        raise bad(*place, "answer", row.answer, "yes or no")
    if kind in ("temporal_grounding", "grounded_choice") and not row.spans:
        raise bad(*place, "spans", row.spans, f"a {kind} question has at least one span")
    if kind == "temporal_grounding":
        named = [float(number) for number in re.findall(r"\d+(?:\.\d+)?", row.answer)]
        if named != [time for span in row.spans for time in span]:
            raise bad(*place, "answer", row.answer, f"it names the spans {row.spans}, such as 0.5 to 1.5, 3 to 4")


def _sample(row: Record, root: Path, place: Place) -> Sample:
    return Sample(
        sample_id=row.sample_id,
        video_path=None if row.video is None else path_below(root, row.video, place),
        question=row.question,
        answer=row.answer,
        problem_type=row.problem_type,
        options=tuple(row.options),
        spans=tuple((start, end) for start, end in row.spans),
        split=row.split,
        subtitles=tuple(row.subtitles),
        image_path=None if row.image is None else path_below(root, row.image, place, "image"),
        part_start=row.start,
        part_end=row.end,
    )
