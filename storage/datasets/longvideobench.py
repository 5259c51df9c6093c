"""LongVideoBench: questions about videos of 8 seconds to an hour (arXiv:2407.15754); a JSON list, as Parquet too.

    lvb_val.json    id, video_id, video_path, question, candidates, correct_choice (from 0), duration_group (15, 60,
                    600, 3600), question_category, topic_category, level, duration, subtitle_path, ...

The test file has no `correct_choice`, so that nothing in it can be graded: its rows are rejected. Lines of subtitles
without an end are counted, once for each question about their video.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field

from storage.datasets.collect import Converted, collect
from storage.datasets.data_root import path_below
from storage.datasets.fields import Duration, Options, PublishedRow, Seconds, Text
from storage.datasets.options import LETTERS
from storage.datasets.record_files import records
from storage.datasets.rows import BadRow, Loaded, OnBadRow, Place, bad, checked
from storage.datasets.subtitles import Line, said_at, subtitle_lines
from storage.errors import UserError
from storage.records import Sample

Count = Annotated[int, Field(ge=0)]


class Question(PublishedRow):
    """An item of the list."""

    id: Text
    video_id: Text
    video_path: Text
    question: Text
    question_wo_referring_query: Text
    candidates: Options
    correct_choice: Count
    position: list[Count]
    topic_category: Text
    question_category: Text
    level: Text
    duration: Duration
    duration_group: Literal[15, 60, 600, 3600]
    subtitle_path: Text
    starting_timestamp_for_subtitles: Seconds
    view_count: Count | None = None


def read(
    annotations: Path,
    video_root: Path,
    subtitles: Path | None = None,
    subtitle_frames: Annotated[int, Field(ge=1)] = 16,
    *,
    on_bad_row: OnBadRow,
) -> Loaded:
    """The questions of `annotations`, all of the validation split; `video_path` is below `video_root`.

    With `subtitles`, the folder of their files, a sample has the lines that are said at one of `subtitle_frames` times,
    evenly from the video's start: as many as the frames that the model is shown.
    """

    def convert(values: Any, place: Place) -> Converted:
        row = checked(Question, values, *place)
        if row.correct_choice >= len(row.candidates):
            raise bad(*place, "correct_choice", row.correct_choice, f"0 to {len(row.candidates) - 1}, a candidate")
        lines = _lines(row, subtitles, place) if subtitles else ()
        times = [row.duration * i / subtitle_frames for i in range(subtitle_frames)]
        sample = Sample(
            row.id,
            path_below(video_root, row.video_path, place, "video_path"),
            row.question,
            LETTERS[row.correct_choice],
            "multiple_choice",
            tuple(row.candidates),
            split="validation",
            category=row.question_category,
            domain=row.topic_category,
            duration_group=str(row.duration_group),
            subtitles=said_at(times, lines, row.starting_timestamp_for_subtitles, row.duration),
        )
        return sample, row.not_read() + ["null_subtitle_ends" for line in lines if line.end is None]

    return collect(records(annotations), convert, on_bad_row)


def _lines(row: Question, folder: Path, place: Place) -> tuple[Line, ...]:
    file = Path(path_below(folder, row.subtitle_path, place, "subtitle_path"))
    try:
        return subtitle_lines(file)
    except BadRow:
        raise
    except UserError as error:
        raise bad(*place, "subtitle_path", row.subtitle_path, f"a file of subtitles ({error})") from error
