"""Video-MME: 900 videos of 11 seconds to an hour, three questions each (arXiv:2405.21075); Parquet, or a JSON list.

    question_id ("001-1"), videoID (the file's name), question, options ("A. ..."), answer ("C"), duration (short,
    medium, long), domain, sub_category, task_type, video_id ("001"), url

Subtitles are files of their own; the results without them are those that are compared, and none are read.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from storage.datasets.collect import Converted, collect
from storage.datasets.data_root import path_below
from storage.datasets.fields import Digits, Letter, Options, PublishedRow, Text
from storage.datasets.options import option_texts, right_letter
from storage.datasets.record_files import records
from storage.datasets.rows import Loaded, OnBadRow, Place, checked
from storage.records import Sample


class Question(PublishedRow):
    """A row of the file."""

    video_id: Digits
    duration: Literal["short", "medium", "long"]
    domain: Text
    sub_category: Text
    url: Text
    videoID: Text
    question_id: Text
    task_type: Text
    question: Text
    options: Options
    answer: Letter


def read(annotations: Path, video_root: Path, *, on_bad_row: OnBadRow) -> Loaded:
    """The questions of `annotations`, all of the validation split; videos are `<videoID>.mp4` below the root."""

    def convert(values: Any, place: Place) -> Converted:
        row = checked(Question, values, *place)
        options = option_texts(row.options, place)
        sample = Sample(
            row.question_id,
            path_below(video_root, f"{row.videoID}.mp4", place, "videoID"),
            row.question,
            right_letter(row.answer, options, place),
            "multiple_choice",
            options,
            split="validation",
            category=row.task_type,
            domain=row.domain,
            duration_group=row.duration,
        )
        return sample, row.not_read()

    return collect(records(annotations), convert, on_bad_row)
