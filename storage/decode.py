"""Decodes the chosen frames of a video, and of the others only those that they build on; keeps no other in memory.

Where the packets tell what the frames are (`Packets.tell_frames`), each run of chosen frames is decoded from the key
packet before it on. Every frame that comes out is compared with what the packets announced: at the first difference, as
where packets do not tell, the file is decoded from end to end and its frames are counted.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av
import numpy as np

from storage.container import Deadline, open_video
from storage.errors import VideoError
from storage.packets import Packets
from storage.part import Part, frames_of
from storage.sampling import Choice

Convert = Callable[[Any], np.ndarray]
"""From a decoded frame to uint8 [H, W, C]."""

_WORTH_A_SEEK = 4
"""Packets that a seek must leave out: it empties the decoder, whose threads then start anew."""


@dataclass(frozen=True, slots=True, eq=False)
class Decoded:
    """The chosen frames, uint8 [T, H, W, C]. times: float64 [T], seconds. indices: int64 [T], places in the file, or in
    the part of it that was asked for, as `num_file_frames` counts them."""

    frames: np.ndarray
    times: np.ndarray
    indices: np.ndarray
    num_file_frames: int


class _Unforeseen(Exception):
    """The decoder gave another frame than the packets announced."""


class _Kept:
    """Room for `num_frames` frames of one size, made when the first of them is there."""

    def __init__(self, path: Path, num_frames: int, convert: Convert) -> None:
        self._path, self._num_frames, self._convert = path, num_frames, convert
        self.frames, self._count = np.empty((num_frames, 0, 0, 3), np.uint8), 0

    def add(self, frame: Any) -> None:
        """Keeps a decoded frame, converted; VideoError if it has not the first one's size."""
        array = self._convert(frame)
        if self._count == 0:
            self.frames = np.empty((self._num_frames, *array.shape), np.uint8)
        if array.shape != self.frames.shape[1:]:
            old, new = (f"{width} x {height}" for height, width, _ in (self.frames.shape[1:], array.shape))
            raise VideoError(f"{self._path}: its frames change from {old} to {new} pixels; encode it with one size")
        self.frames[self._count] = array
        self._count += 1


def decode(
    path: Path, packets: Packets, choose: Choice, convert: Convert, deadline: Deadline, part: Part | None
) -> Decoded:
    """The frames of `path`, or of a part of it, that `choose` chooses, each converted as soon as it is decoded.

    They are the bytes that decoding the whole file gives. Raises VideoError for a file that holds no frame, fails to
    decode, ends before the part begins, takes too long or has frames of several sizes; damage in packets that are left
    out is not seen.
    """
    if packets.tell_frames:
        try:
            return _decode_sought(path, packets, choose, convert, deadline, part)
        except _Unforeseen:
            pass
    return _decode_through(path, packets, choose, convert, deadline, part)


def _decode_sought(
    path: Path, packets: Packets, choose: Choice, convert: Convert, deadline: Deadline, part: Part | None
) -> Decoded:
    order = packets.in_display_order()
    order = order[frames_of(packets.times(order), part, float(packets.rate), path)]
    times = packets.times(order)
    indices = choose(times)
    wanted, kept = set(packets.pts[order[indices]].tolist()), _Kept(path, len(indices), convert)
    with open_video(path, deadline) as (container, stream):
        for start, end in _runs(packets, order[indices]):
            for frame in _decode_run(container, stream, packets, start, end, deadline):
                if frame.pts in wanted:
                    kept.add(frame)
    return Decoded(kept.frames, times[indices], indices, len(order))


def _runs(packets: Packets, wanted: np.ndarray) -> list[tuple[int, int]]:
    """First and last packet of each run to decode, for the wanted packets in the order in which they are shown."""
    keys = np.flatnonzero(packets.is_key)
    starts = keys[np.searchsorted(packets.pts[keys], packets.pts[wanted], side="right") - 1]
    runs = list[tuple[int, int]]()
    for start, end in zip(starts.tolist(), wanted.tolist(), strict=True):
        if runs and start <= runs[-1][1] + _WORTH_A_SEEK:
            runs[-1] = (runs[-1][0], max(runs[-1][1], end))
        else:
            runs.append((start, max(start, end)))
    return runs


def _decode_run(
    container: Any, stream: Any, packets: Packets, start: int, end: int, deadline: Deadline
) -> Iterator[Any]:
    """The frames of packets `start` to `end` that are shown from the first one's time on: those before it build on
    packets that were left out."""
    fed = packets.pts[start : end + 1]
    announced = iter(np.sort(fed[packets.is_shown[start : end + 1] & (fed >= fed[0])]).tolist())
    for frame in _frames(_packets_from(container, stream, packets, start, end), stream, deadline):
        if frame.pts is not None and frame.pts < fed[0]:
            continue
        if frame.pts != next(announced, None) or (start > 0 and frame.is_corrupt):
            raise _Unforeseen
        yield frame
    if next(announced, None) is not None:
        raise _Unforeseen


def _packets_from(container: Any, stream: Any, packets: Packets, start: int, end: int) -> Iterator[Any]:
    """Packets `start` to `end`, found by their times: a container may seek to a key packet further back."""
    if start > 0:
        try:
            container.seek(int(packets.dts[start]), stream=stream)
        except av.error.FFmpegError as error:  # a container without an index
            raise _Unforeseen from error
    number = None if start > 0 else 0
    for packet in container.demux(stream):
        if packet.size == 0:
            continue
        if number is None and packet.pts == packets.pts[start]:
            number = start
        if number is not None:
            if packet.pts != packets.pts[number]:
                break
            yield packet
            if number == end:
                return
            number += 1
    raise _Unforeseen


def _frames(packets: Iterator[Any], stream: Any, deadline: Deadline) -> Iterator[Any]:
    """What the decoder makes of the packets, the frames that it held back last."""
    for packet in packets:
        deadline.check()
        yield from stream.decode(packet)
    yield from stream.decode(None)


def _decode_through(
    path: Path, packets: Packets, choose: Choice, convert: Convert, deadline: Deadline, part: Part | None
) -> Decoded:
    """Decodes the whole file; once more where its frames turn out to be others than the packets let expect."""

    def chosen(times: np.ndarray) -> tuple[slice, np.ndarray]:
        ascending = np.maximum.accumulate(times)
        shown = frames_of(ascending, part, float(packets.rate), path)
        return shown, choose(ascending[shown])

    times = packets.times(packets.in_display_order())
    while True:
        shown, indices = chosen(times)
        wanted, kept, found = set((shown.start + indices).tolist()), _Kept(path, len(indices), convert), array("d")
        with open_video(path, deadline) as (container, stream):
            stored = (packet for packet in container.demux(stream) if packet.size > 0)
            for frame in _frames(stored, stream, deadline):
                if len(found) in wanted:
                    kept.add(frame)
                time = frame.pts * packets.time_base if frame.pts is not None else len(found) / packets.rate
                found.append(float(time))
        if not found:
            raise VideoError(f"{path}: holds no frame that decodes")
        times = np.array(found)
        now_shown, now_chosen = chosen(times)
        if now_shown == shown and np.array_equal(now_chosen, indices):
            return Decoded(kept.frames, times[shown][indices], indices, shown.stop - shown.start)
