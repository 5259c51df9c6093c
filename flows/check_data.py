"""Every video of a data set opened: how long it is, what is wrong with it, and which spans lie outside it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from math import inf

from flows.data import Data
from storage.errors import VideoError
from storage.parallel import in_threads
from storage.progress import Progress
from storage.records import Sample
from storage.video import read_video

ENDS = 2
"""Frames read of each video, the first and the last: a file that was cut short lacks the last."""
DURATIONS = {"to 15 s": 15.0, "to 1 min": 60.0, "to 10 min": 600.0, "to 1 h": 3600.0, "longer": inf}
"""Longest seconds of each bucket; the boundaries are LongVideoBench's duration groups (arXiv:2407.15754)."""
NOT_OPENED, NO_VIDEO = "not opened", "no video"


@dataclass(frozen=True)
class Checked:
    """What was found. seconds: of each video that opens. broken_videos, misplaced_spans: one line each."""

    data: Data
    seconds: dict[str, float]
    broken_videos: list[str]
    misplaced_spans: list[str]
    oddities: Counter[str]

    def counts(self) -> Counter[tuple[str, str, str]]:
        """Samples by split, problem type and duration."""
        return Counter((s.split, s.problem_type, self._bucket(s)) for s in self.data.samples)

    def _bucket(self, sample: Sample) -> str:
        if not sample.video_path:
            return NO_VIDEO
        seconds = self.seconds.get(sample.video_path)
        if seconds is None:
            return NOT_OPENED
        return next(name for name, longest in DURATIONS.items() if seconds <= longest)


def check_videos(data: Data, progress: Progress) -> Checked:
    """Opens every video of `data` once, in parallel, and compares the samples' spans with its length."""
    videos = list(dict.fromkeys(sample.video_path for sample in data.samples if sample.video_path))
    seconds, broken = dict[str, float](), list[str]()
    with in_threads(_open, videos) as opened:
        for done, (video, found) in enumerate(zip(videos, opened, strict=True), 1):
            if isinstance(found, VideoError):
                broken.append(str(found))
            else:
                seconds[video] = found
            progress("open videos", done, len(videos))
    late = sum(start < seconds.get(s.video_path or "", 0) < end for s in data.samples for start, end in s.spans)
    oddities = data.oddities + Counter({"spans_past_the_end_of_the_video": late})
    return Checked(data, seconds, broken, list(_misplaced(data.samples, seconds)), oddities)


def _open(video: str) -> float | VideoError:
    """The length of a video in seconds, or why it cannot be read."""
    try:
        return float(read_video(video, num_frames=ENDS).metadata()["duration"])
    except VideoError as error:
        return error


def _misplaced(samples: list[Sample], seconds: dict[str, float]) -> Iterator[str]:
    """A line for each span that begins where its video has ended."""
    for sample in samples:
        length = seconds.get(sample.video_path or "", inf)
        for start, end in sample.spans:
            if start >= length:
                rule = f"a span begins before its video ends, at {length:.2f} s ({sample.video_path})"
                yield f"{sample.sample_id}: spans is {start:g} to {end:g}: {rule}"
