"""A part of a video, from one second to another: it is shown as if it were a file of its own."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from storage.errors import VideoError

Part = tuple[float, float]
"""Start and end in seconds from the video's first frame, 0 <= start < end; an end after the video's own is that one."""

_SLACK = 1e-6


def frames_of(times: np.ndarray, part: Part | None, rate: float, path: Path) -> slice:
    """The frames on screen at some time of `part`, both ends included; all without one. At least one.

    times: float64 [N] ascending, seconds. rate: frames per second, which says how long the last one lasts. Raises
    VideoError for a part that begins where the video has ended.
    """
    if part is None:
        return slice(0, len(times))
    start, end = part
    since = times - times[0]
    if start >= (length := float(since[-1] + 1 / rate)):
        raise VideoError(f"{path}: lasts {length:.2f} s, so its part from {start:g} s on is empty; mend start and end")
    first = np.searchsorted(since, start + _SLACK, side="right") - 1
    return slice(int(first), int(np.searchsorted(since, end + _SLACK, side="right")))
