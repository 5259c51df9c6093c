"""What a video file's packets say, without decoding one: how many frames there are, when, and what each builds on.

Reading the packets costs a few percent of decoding them, shows whether the file is whole, and lets `decode.py` choose
frames and seek to them.
"""

from __future__ import annotations

import re
from array import array
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np

from storage.container import Deadline, open_video
from storage.errors import VideoError

_FRAME_PER_PACKET = frozenset({"h264", "hevc", "vp9", "av1", "mpeg4", "mpeg2video", "ffv1", "mjpeg"})
"""Codecs of which every packet that is shown is one frame; VP8 for one has packets that never are."""


@dataclass(frozen=True, slots=True, eq=False)
class Packets:
    """The packets of a video stream in decoding order.

    pts, dts: int64 [P], times of presentation and decoding, in units of `time_base` seconds. is_key: bool [P], decoding
    can begin there. is_shown: bool [P], false where an edit list hides the frame. rate: the average, frames per second.
    is_timed: every packet states its time; where one does not, pts counts packets. codec: FFmpeg's name.
    """

    pts: np.ndarray
    dts: np.ndarray
    is_key: np.ndarray
    is_shown: np.ndarray
    time_base: Fraction
    rate: Fraction
    is_timed: bool
    codec: str

    @property
    def tell_frames(self) -> bool:
        """Whether every shown packet is one frame, with a time of its own and a key packet to begin decoding from."""
        keys = self.pts[self.is_key]
        return bool(
            self.is_timed
            and self.codec in _FRAME_PER_PACKET
            and self.is_key[0]
            and (self.pts >= self.pts[0]).all()
            and (np.diff(keys) > 0).all()
            and len(np.unique(self.pts)) == len(self.pts)
        )

    def times(self, numbers: np.ndarray) -> np.ndarray:
        """float64: when the packets of these numbers are shown, in seconds."""
        if not self.is_timed:
            return np.asarray(numbers / float(self.rate))
        return np.asarray(self.pts[numbers] * self.time_base.numerator / self.time_base.denominator)

    def in_display_order(self) -> np.ndarray:
        """int64 [N]: of each frame, as shown, the packet it is in."""
        shown = np.flatnonzero(self.is_shown)
        return shown[np.argsort(self.pts[shown], kind="stable")]


def read_packets(path: Path, deadline: Deadline) -> Packets:
    """Reads the packets of `path`, all of them once.

    Raises VideoError if there is none, or if the file was cut: a packet's data is incomplete, there are fewer packets
    than the header counts, or they end before a Matroska header says. Damage inside a packet shows only in decoding.
    """
    pts, dts, durations, flags = array("q"), array("q"), array("q"), array("B")
    has_times, num_corrupt = True, 0
    with open_video(path, deadline) as (container, stream):
        for packet in container.demux(stream):
            deadline.check()
            if packet.size == 0:
                continue
            has_times &= packet.pts is not None
            num_corrupt += packet.is_corrupt
            pts.append(packet.pts if packet.pts is not None else len(pts))
            dts.append(packet.dts if packet.dts is not None else pts[-1])
            durations.append(packet.duration or 0)
            flags.append(packet.is_keyframe + 2 * (not packet.is_discard))
        found = Packets(
            pts=np.array(pts, np.int64),
            dts=np.array(dts, np.int64),
            is_key=np.array(flags, np.uint8) % 2 == 1,
            is_shown=np.array(flags, np.uint8) >= 2,
            time_base=stream.time_base,
            rate=stream.average_rate or Fraction(1),
            is_timed=has_times,
            codec=stream.codec_context.codec.canonical_name,
        )
        declared, declared_end = stream.frames, _declared_end(container, stream)
    if not found.is_shown.any():
        raise VideoError(f"{path}: holds no frame")
    if num_corrupt:
        raise VideoError(f"{path}: truncated or damaged, the data of {num_corrupt} of {len(pts)} frames is incomplete")
    if len(pts) < declared and (stored := _num_stored_packets(path, deadline)) < declared:
        raise VideoError(f"{path}: truncated, {stored} of {declared} frames are there")
    if declared == 0 and declared_end is not None and has_times:
        end = _end(found, np.array(durations, np.int64))
        if end < declared_end - 0.5 / float(found.rate):
            raise VideoError(f"{path}: truncated, ends at {end:.2f} of {declared_end:.2f} seconds")
    return found


def _end(packets: Packets, durations: np.ndarray) -> float:
    """When the last frame is over, in seconds; a frame of no stated duration lasts as long as the average one."""
    last = packets.in_display_order()[-1]
    duration = durations[last] * packets.time_base or 1 / packets.rate
    return float(packets.times(last) + float(duration))


def _num_stored_packets(path: Path, deadline: Deadline) -> int:
    """Packets in the file, those too that an edit list hides: a clip cut without encoding again declares them all."""
    with open_video(path, deadline, ignore_editlist="1") as (container, stream):
        return sum(packet.size > 0 for packet in container.demux(stream))


def _declared_end(container: Any, stream: Any) -> float | None:
    """Where a Matroska header, which counts no frames, says that the stream ends: seconds."""
    tag = re.fullmatch(r"(\d+):(\d+):(\d+(?:\.\d+)?)", stream.metadata.get("DURATION", ""))
    if tag:
        return int(tag[1]) * 3600 + int(tag[2]) * 60 + float(tag[3])
    return container.duration / av.time_base if container.duration and len(container.streams) == 1 else None
