"""A video file opened as one that nobody vouches for: bounded in time and in the size of its pictures."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import av

from storage.errors import VideoError

# FFmpeg's log stays off, as it is by default: through Python, a decoder's thread that logs while the decoder is freed
# waits for the interpreter's lock, and the freeing for the thread.
av.logging.set_level(None)

MAX_FRAME_PIXELS = 8192 * 4320
"""The largest picture that is decoded, 8K: 20,000 x 20,000 would take over a gigabyte, from a file of a few KB."""


TIMEOUT_SECONDS = 300.0
"""How long reading one file may take, unless told otherwise."""


class Deadline:
    """When the work on one file must be done; it is asked between packets."""

    def __init__(self, path: Path, seconds: float) -> None:
        self._path, self._limit, self._end = path, seconds, time.monotonic() + seconds

    @property
    def left(self) -> float:
        """Seconds that are left, never below 0."""
        return max(0.0, self._end - time.monotonic())

    def check(self) -> None:
        """Raises VideoError once the time is over."""
        if time.monotonic() > self._end:
            raise VideoError(f"{self._path}: not read within {self._limit:g} seconds; raise video.timeout_seconds")


@contextmanager
def open_video(path: Path, deadline: Deadline, **options: str) -> Iterator[tuple[Any, Any]]:
    """The container at `path` and its first video stream, which decodes frames of at most MAX_FRAME_PIXELS pixels.

    `options` are FFmpeg's, for the container. Only this one file is read, whatever a playlist in it names. Raises
    VideoError for a file that is no video, has larger pictures, or cannot be read, in the block too.
    """
    limit = str(MAX_FRAME_PIXELS)
    options |= {"protocol_whitelist": "file", "max_pixels": limit}
    try:
        name = f"file:{path}"
        with av.open(name, options=options, timeout=deadline.left, metadata_errors="replace") as container:
            if not container.streams.video:
                raise VideoError(f"{path}: holds no video stream")
            stream = container.streams.video[0]
            if stream.codec_context is None:
                raise VideoError(f"{path}: this FFmpeg build cannot decode its codec")
            if not 0 < stream.width * stream.height <= MAX_FRAME_PIXELS:  # FFmpeg names no size that is over its limit
                raise VideoError(f"{path}: its frames have no size, or more than {limit} pixels; scale it down")
            stream.codec_context.options = {"max_pixels": limit}
            stream.thread_type = "AUTO"
            yield container, stream
    except (av.error.FFmpegError, OSError) as error:
        deadline.check()
        raise VideoError(f"{path}: cannot be decoded ({error})") from error
