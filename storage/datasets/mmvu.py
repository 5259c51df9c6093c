"""MMVU: expert questions about lectures and experiments, in 27 subjects (arXiv:2501.12380); a JSON list.

    id, video (an address that ends in videos/<subject>/<n>.mp4), question, choices {"A": "...", ..., "E": "..."},
    answer (a letter), question_type, youtube_url, metadata {subject, textbook, rationale, knowledge}

The published evaluation has a model grade the answers to open-ended questions: those are rejected.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from storage.datasets.collect import Converted, collect
from storage.datasets.data_root import path_below
from storage.datasets.fields import Letter, Plain, PublishedRow, Text
from storage.datasets.options import LETTERS, right_letter
from storage.datasets.record_files import records
from storage.datasets.rows import Loaded, OnBadRow, Place, bad, checked
from storage.records import Sample


class Metadata(PublishedRow):
    """What a question is about, and why its answer is right."""

    subject: Text
    textbook: str
    rationale: str
    knowledge: list[str]


class Question(PublishedRow):
    """An item of the list."""

    id: Text
    video: Text
    youtube_url: str
    question_type: Literal["multiple-choice", "open-ended"]
    metadata: Metadata
    question: Text
    choices: dict[Letter, Plain]
    answer: Text


def read(annotations: Path, video_root: Path, *, on_bad_row: OnBadRow) -> Loaded:
    """The questions of `annotations`, all of the validation split; `video_root` holds the folder `videos`."""

    def convert(values: Any, place: Place) -> Converted:
        row = checked(Question, values, *place)
        if row.question_type == "open-ended":
            raise bad(*place, "question_type", row.question_type, "multiple-choice; no rule grades an open answer")
        options = _options(row, place)
        sample = Sample(
            row.id,
            path_below(video_root, _video(row, place), place),
            row.question,
            right_letter(row.answer, options, place),
            "multiple_choice",
            options,
            split="validation",
            domain=row.metadata.subject,
        )
        return sample, row.not_read()

    return collect(records(annotations), convert, on_bad_row)


def _video(row: Question, place: Place) -> str:
    """Where the video is below the root; its address goes on before that."""
    _, folder, name = f"/{row.video}".rpartition("/videos/")
    if not folder:
        raise bad(*place, "video", row.video, "an address that ends in videos/<subject>/<n>.mp4")
    return f"videos/{name}"


def _options(row: Question, place: Place) -> tuple[str, ...]:
    """The texts of the choices A, B, ...; the last of them may be empty."""
    texts = list(row.choices.values())
    while texts and not texts[-1]:
        texts.pop()
    if len(texts) < 2 or not all(texts) or list(row.choices) != list(LETTERS[: len(row.choices)]):
        raise bad(*place, "choices", row.choices, "texts of A, B, ..., in this order, two at least")
    return tuple(texts)
