"""The fields `start` and `end` of a row: the part of its video that the question is about."""

from __future__ import annotations

from storage.datasets.rows import Place, bad

RULE = "start and end are both there, in seconds, and the part ends after it starts"


def check_part(start: float | None, end: float | None, place: Place) -> None:
    """BadRow for one without the other, or a part that is empty; a row without either is about the whole video."""
    if start is None and end is None:
        return
    if start is None or end is None or not start < end:
        raise bad(*place, "end" if start is not None else "start", end if start is not None else start, RULE)
