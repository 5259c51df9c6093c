"""LongVideoBench's subtitles: what is said while the frames are seen that a model is shown.

A file is a list of lines in one of two shapes: `{"timestamp": [start, end], "text": ...}`, in seconds, or
`{"start": "00:01:02.500", "end": "00:01:04.000", "line": ...}`; an end may be null. Times count from the start of the
recording that the video was cut from.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any, NamedTuple

from pydantic import BeforeValidator, Field

from storage.datasets.fields import Plain, PublishedRow
from storage.datasets.record_files import records
from storage.datasets.rows import BadRow, bad, checked

SHORTEST = 1.0
"""Seconds that a line is taken to last at least, around its middle, as the published evaluation does."""


def _seconds(value: Any) -> Any:
    """Seconds of `01:02:03.5`; anything else is left for the field's type to refuse."""
    parts = value.split(":") if isinstance(value, str) else []
    try:
        hours, minutes, seconds = map(float, parts)
    except ValueError:
        return value
    return 3600 * hours + 60 * minutes + seconds


Clock = Annotated[float, BeforeValidator(_seconds)]


class Timed(PublishedRow):
    """A line of the first shape."""

    timestamp: Annotated[list[float | None], Field(min_length=2, max_length=2)]
    text: Plain


class Clocked(PublishedRow):
    """A line of the second shape."""

    start: Clock
    end: Clock | None
    line: Plain


class Line(NamedTuple):
    """What is said, in seconds of the recording; `end` is None where nobody wrote it."""

    start: float
    end: float | None
    text: str


@lru_cache(maxsize=16)  # a video's questions follow each other
def subtitle_lines(file: Path) -> tuple[Line, ...]:
    """The lines of a file; UserError for one that cannot be read, BadRow for the first line that is none."""
    lines = []
    for place, values in records(file):
        if isinstance(values, BadRow):
            raise values
        if isinstance(values, dict) and "timestamp" in values:
            timed = checked(Timed, values, *place)
            start, end = timed.timestamp
            if start is None:
                raise bad(*place, "timestamp", timed.timestamp, "start and end in seconds; only an end may be null")
            lines.append(Line(start, end, timed.text))
        else:
            clocked = checked(Clocked, values, *place)
            lines.append(Line(clocked.start, clocked.end, clocked.line))
    return tuple(lines)


def said_at(times: Sequence[float], lines: Sequence[Line], offset: float, duration: float) -> tuple[str, ...]:
    """The texts of the lines that last over one of `times`, in seconds of a video that starts at `offset`.

    A line without an end lasts until the video ends.
    """
    texts = []
    for line in lines:
        start, end = line.start - offset, duration if line.end is None else line.end - offset
        if end - start < SHORTEST:
            middle = (start + end) / 2
            start, end = middle - SHORTEST / 2, middle + SHORTEST / 2
        if line.text and any(start < time < end for time in times):
            texts.append(line.text)
    return tuple(texts)
