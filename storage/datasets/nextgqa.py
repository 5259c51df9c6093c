"""NExT-GQA: five options and the seconds in which the answer is seen (arXiv:2309.01327); its own CSV and JSON files.
Both are asked for, and rewarded: `grounded_choice`.

The paper trains on its *val* split and tests on *test* (Appendix): give the files of each, and the split they are for.

    val.csv               video_id, frame_count, width, height, question, answer (text), qid, type, a0 .. a4
    gsub_val.json         {video_id: {"duration": s, "fps": f, "location": {qid: [[start, end], ...]}}}
    map_vid_vidorID.json  {video_id: "1164/3238737531"}, the video's place below the root, without ".mp4"

Oddities that are counted, and kept: spans that end after the video (cut there), the same option twice, an answer that
is the text of two options (the first counts).
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from pydantic import BeforeValidator, Field

from storage.datasets.collect import Converted, collect
from storage.datasets.data_root import path_below
from storage.datasets.fields import Digits, Duration, Span, Text
from storage.datasets.options import letter_of
from storage.datasets.rows import Loaded, OnBadRow, Place, Row, bad, checked, csv_rows, read_json
from storage.records import Sample

OPTIONS = ("a0", "a1", "a2", "a3", "a4")
Count = Annotated[int, Field(ge=1), BeforeValidator(lambda text: int(text) if str(text).isdecimal() else text)]


class Question(Row):
    """A row of the CSV file."""

    video_id: Digits
    frame_count: Count
    width: Count
    height: Count
    question: Text
    answer: Text
    qid: Digits
    type: Text
    a0: Text
    a1: Text
    a2: Text
    a3: Text
    a4: Text


class Grounding(Row):
    """A video of the JSON file of spans."""

    duration: Duration
    fps: Annotated[float, Field(gt=0)]
    location: dict[Digits, Annotated[list[Span], Field(min_length=1)]]


def read(
    annotations: Path, spans: Path, video_map: Path, video_root: Path, *, split: str = "train", on_bad_row: OnBadRow
) -> Loaded:
    """The questions of one split as samples with spans; `on_bad_row` says whether a bad row raises or is reported."""
    places, found = read_json(video_map), read_json(spans)
    groundings = dict[str, Grounding]()

    def convert(values: Any, place: Place) -> Converted:
        row = checked(Question, values, *place)
        if row.video_id not in places:
            raise bad(video_map, row.video_id, "path", None, f"every video of {annotations.name} has a place")
        if row.video_id not in found:
            raise bad(spans, row.video_id, "location", None, f"every video of {annotations.name} has spans")
        video = path_below(video_root, f"{places[row.video_id]}.mp4", Place(video_map, row.video_id))
        options = [getattr(row, name) for name in OPTIONS]
        answer = letter_of(row.answer, options, place)
        if row.video_id not in groundings:
            groundings[row.video_id] = checked(Grounding, found[row.video_id], spans, row.video_id)
        where = _spans(row, groundings[row.video_id], spans)
        sample = Sample(
            f"{row.video_id}-{row.qid}",
            video,
            row.question,
            answer,
            "grounded_choice",
            tuple(options),
            where,
            split=split,
            category=row.type,
        )
        return sample, _oddities(row, groundings[row.video_id])

    rows = ((Place(annotations, line), _named(values)) for line, values in csv_rows(annotations))
    return collect(rows, convert, on_bad_row)


def _named(values: dict[str | None, Any]) -> dict[str, Any]:
    """A row that is longer than the header keeps its surplus under a name that no field has."""
    return {name or "a column without a name": value for name, value in values.items()}


def _spans(row: Question, video: Grounding, file: Path) -> tuple[tuple[float, float], ...]:
    """The question's spans in seconds, cut at the end of the video."""
    if row.qid not in video.location:
        raise bad(file, row.video_id, f"location.{row.qid}", None, "every question has spans")
    given = video.location[row.qid]
    for start, end in given:
        if not 0 <= start < min(end, video.duration):
            raise bad(file, row.video_id, f"location.{row.qid}", [start, end], "0 <= start < end, in the video")
    return tuple((start, min(end, video.duration)) for start, end in given)


def _oddities(row: Question, video: Grounding) -> list[str]:
    given = video.location[row.qid]
    found = ["several_spans"] if len(given) > 1 else []
    return found + ["spans_past_the_end" for _, end in given if end > video.duration]
