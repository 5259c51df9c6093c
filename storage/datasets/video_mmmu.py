"""Video-MMMU: what is learned from a lecture (arXiv:2501.13826); a file a track, Parquet or JSON.

    id ("validation_Agriculture_8"), question, options (or none), answer (a letter, a number or a phrase)

The tracks are perception, comprehension and adaptation, which ask about the same videos: `<discipline>/<id>.mp4`.

A question without options is a number where its answer is one, else a short text. The published scorer also accepts a
longer response that holds that text.
"""

from __future__ import annotations

from itertools import chain
from pathlib import Path
from typing import Any

from storage.datasets.collect import Converted, collect
from storage.datasets.data_root import path_below
from storage.datasets.fields import PublishedRow, Text
from storage.datasets.numbers import is_number
from storage.datasets.options import option_texts, right_letter
from storage.datasets.record_files import records
from storage.datasets.rows import Loaded, OnBadRow, Place, bad, checked
from storage.errors import UserError
from storage.records import ProblemType, Sample

DISCIPLINES = {
    "Art": ("Art", "Art_Theory", "Design", "Music"),
    "Business": ("Accounting", "Economics", "Finance", "Manage", "Marketing"),
    "Engineering": (
        "Agriculture", "Architecture_and_Engineering", "Computer_Science", "Electronics", "Energy_and_Power",
        "Materials", "Mechanical_Engineering",
    ),
    "Humanities": ("History", "Literature", "Psychology", "Sociology"),
    "Medicine": (
        "Basic_Medical_Science", "Clinical_Medicine", "Diagnostics_and_Laboratory_Medicine", "Pharmacy",
        "Public_Health",
    ),
    "Science": ("Biology", "Chemistry", "Geography", "Math", "Physics"),
}  # fmt: skip
"""The subjects of each discipline, which is also the folder of its videos."""
_DISCIPLINE_OF = {subject: discipline for discipline, subjects in DISCIPLINES.items() for subject in subjects}


class Question(PublishedRow):
    """A row of a track's file."""

    id: Text
    question: Text
    options: list[Text]
    answer: Text


def read(
    video_root: Path,
    perception: Path | None = None,
    comprehension: Path | None = None,
    adaptation: Path | None = None,
    *,
    on_bad_row: OnBadRow,
) -> Loaded:
    """The questions of the tracks whose files are given, all of the validation split; `category` is the track."""
    given = {"perception": perception, "comprehension": comprehension, "adaptation": adaptation}
    tracks = {file: track for track, file in given.items() if file is not None}
    if not tracks:
        raise UserError(f"video_mmmu: no annotations; give one or more of {', '.join(given)}")

    def convert(values: Any, place: Place) -> Converted:
        row, track = checked(Question, values, *place), tracks[place.file]
        discipline = _DISCIPLINE_OF.get("_".join(row.id.split("_")[1:-1]))
        if discipline is None:
            raise bad(*place, "id", row.id, "a split, a subject and a number, such as validation_Math_1")
        problem_type, answer, options = _answer(row, place)
        sample = Sample(
            f"{track}-{row.id}",
            path_below(video_root, f"{discipline}/{row.id}.mp4", place, "id"),
            row.question,
            answer,
            problem_type,
            options,
            split="validation",
            category=track,
            domain=discipline,
        )
        return sample, row.not_read()

    return collect(chain.from_iterable(map(records, tracks)), convert, on_bad_row)


def _answer(row: Question, place: Place) -> tuple[ProblemType, str, tuple[str, ...]]:
    if row.options:
        options = option_texts(row.options, place)
        return "multiple_choice", right_letter(row.answer, options, place), options
    return "number" if is_number(row.answer) else "short_text", row.answer, ()
