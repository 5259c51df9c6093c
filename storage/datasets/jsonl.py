"""Own videos: JSON lines, a question a line, in a file that the user wrote.

    {"sample_id": "pan-1", "video": "pan.mp4", "question": "What comes first?", "answer": "B",
     "problem_type": "multiple_choice", "options": ["salt", "oil"], "split": "train"}

`spans`, in seconds, are the truth of a `temporal_grounding` question, whose answer names the same ones in words.
Oddities that are counted, and kept: the same option twice, an answer that is the text of two options.
"""

from __future__ import annotations

import re
import string
from collections import Counter
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from storage.datasets.rows import BadRow, Loaded, OnBadRow, Row, bad, checked, json_line, json_lines, video_below
from storage.records import ProblemType, Sample
from storage.video import VISION_TOKENS

NUMBER = r"-?\d+(\.\d+)?"


def _without_vision(text: str) -> str:
    if found := next((token for token in VISION_TOKENS if token in text), None):
        raise ValueError(f"no text holds {found}, which stands for a video")
    return text


Text = Annotated[str, Field(min_length=1), AfterValidator(_without_vision)]
Span = Annotated[list[Annotated[float, Field(ge=0)]], Field(min_length=2, max_length=2)]


class Record(Row):
    """A line of the file."""

    sample_id: Text
    video: Text
    question: Text
    answer: Text
    problem_type: ProblemType
    options: list[Text] = Field(default=[])
    spans: list[Span] = Field(default=[])
    image: Text | None = None
    split: Literal["train", "validation"] = "train"


def read(annotations: Path, video_root: Path, *, on_bad_row: OnBadRow) -> Loaded:
    """The questions of `annotations` as samples; videos and images are paths below `video_root`."""
    loaded, seen = Loaded(), set[str]()
    for line, data in json_lines(annotations):
        try:
            row = checked(Record, json_line(data, annotations, line), annotations, line)
            if row.sample_id in seen:
                raise bad(annotations, line, "sample_id", row.sample_id, "no line before it has this id")
            _check_answer(row, annotations, line)
            sample = _sample(row, video_root, annotations, line)
        except BadRow as error:
            if on_bad_row == "error":
                raise
            loaded.rejected.append(error.rejected)
            continue
        seen.add(row.sample_id)
        loaded.oddities.update(_oddities(row))
        loaded.samples.append(sample)
    return loaded


def _check_answer(row: Record, file: Path, line: int) -> None:
    """BadRow for options, spans or an answer that do not go with the problem type."""
    kind = row.problem_type
    if kind == "multiple_choice":
        letters = string.ascii_uppercase[: len(row.options)]
        if not 2 <= len(row.options) <= len(string.ascii_uppercase):
            raise bad(file, line, "options", row.options, "a multiple_choice question has 2 to 26 options")
        if row.answer not in tuple(letters):
            raise bad(file, line, "answer", row.answer, f"the letter of an option, A to {letters[-1]}")
    elif row.options:
        raise bad(file, line, "options", row.options, f"only multiple_choice has options, not {kind}")
    for start, end in row.spans:
        if not start < end:
            raise bad(file, line, "spans", [start, end], "a span ends after it starts, in seconds")
    if kind == "number" and not re.fullmatch(NUMBER, row.answer, re.ASCII):
        raise bad(file, line, "answer", row.answer, "a number in digits, such as 3 or -0.5")
    if kind == "temporal_grounding":
        if not row.spans:
            raise bad(file, line, "spans", row.spans, "a temporal_grounding question has at least one span")
        named = [float(number) for number in re.findall(r"\d+(?:\.\d+)?", row.answer)]
        if named != [time for span in row.spans for time in span]:
            raise bad(file, line, "answer", row.answer, f"it names the spans {row.spans}, such as 0.5 to 1.5, 3 to 4")


def _sample(row: Record, root: Path, file: Path, line: int) -> Sample:
    return Sample(
        sample_id=row.sample_id,
        video_path=video_below(root, row.video, file, line),
        question=row.question,
        answer=row.answer,
        problem_type=row.problem_type,
        options=tuple(row.options),
        spans=tuple((start, end) for start, end in row.spans),
        split=row.split,
        image_path=None if row.image is None else video_below(root, row.image, file, line, "image", "an image"),
    )


def _oddities(row: Record) -> Counter[str]:
    """What is odd about a question, and how often."""
    right = row.options[string.ascii_uppercase.index(row.answer)] if row.options else ""
    found = {
        "duplicate_options": len(set(row.options)) < len(row.options),
        "ambiguous_answer": row.options.count(right) > 1,
    }
    return Counter({name: int(count) for name, count in found.items() if count})
