"""Every video and image of a data set opened: how long it is, what is wrong with it, and which spans
and parts lie outside it."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from math import inf

from flows.data import Data
from storage.errors import ImageError, VideoError
from storage.image import read_image
from storage.parallel import in_threads
from storage.progress import Progress
from storage.records import Modality, Sample
from storage.video import read_video

ENDS = 2
"""Frames read of each video, the first and the last: a file that was cut short lacks the last."""
DURATIONS = {"to 15 s": 15.0, "to 1 min": 60.0, "to 10 min": 600.0, "to 1 h": 3600.0, "longer": inf}
"""Longest seconds of each bucket; the boundaries are LongVideoBench's duration groups (arXiv:2407.15754)."""
NOT_OPENED, NO_VIDEO = "not opened", "no video"


@dataclass(frozen=True)
class Checked:
    """What was found. seconds: of each file that opens, 0 of an image. broken_files, misplaced (spans and parts): one
    line each."""

    data: Data
    seconds: dict[str, float]
    broken_files: list[str]
    misplaced: list[str]
    oddities: Counter[str]

    def counts(self) -> Counter[tuple[str, str, str]]:
        """Samples by split, problem type and duration of what they show."""
        return Counter((s.split, s.problem_type, self._bucket(s)) for s in self.data.samples)

    def num_files(self) -> dict[Modality, int]:
        """How many videos and images the samples show, whether they open or not."""
        samples = self.data.samples
        videos, images = ({s.video_path for s in samples}, {s.image_path for s in samples})
        return {"video": len(videos - {None}), "image": len(images - {None})}

    def _bucket(self, sample: Sample) -> str:
        if sample.video_path is None:
            return NO_VIDEO
        if sample.video_path not in self.seconds:
            return NOT_OPENED
        shown = _length(sample, self.seconds, 0.0)
        return next(name for name, longest in DURATIONS.items() if shown <= longest)


def check_files(data: Data, progress: Progress, *, timeout_seconds: float) -> Checked:
    """Opens every video and image of `data` once, in parallel, and compares the samples' spans and parts with the
    lengths.

    timeout_seconds: a video that is not read within it is broken, as it would be for a run.
    """
    named = (zip(sample.media.paths, sample.media.modalities, strict=True) for sample in data.samples)
    files = list(dict.fromkeys(itertools.chain.from_iterable(named)))
    seconds, broken = dict[str, float](), list[str]()
    with in_threads(partial(_open, timeout_seconds=timeout_seconds), files) as opened:
        for done, ((path, _), found) in enumerate(zip(files, opened, strict=True), 1):
            if isinstance(found, float):
                seconds[path] = found
            else:
                broken.append(str(found))
            progress("open files", done, len(files))
    late = sum(start < _length(s, seconds, 0.0) < end for s in data.samples for start, end in s.spans)
    parts = sum(part[0] < _whole(s, seconds, 0.0) < part[1] for s in data.samples if (part := s.media.part))
    oddities = data.oddities + Counter(
        {"spans_past_the_end_of_the_video": late, "parts_past_the_end_of_the_video": parts}
    )
    return Checked(data, seconds, broken, list(_misplaced(data.samples, seconds)), oddities)


def _open(file: tuple[str, Modality], timeout_seconds: float) -> float | VideoError | ImageError:
    """The length of a video in seconds, 0 of an image, or why the file cannot be read."""
    path, modality = file
    try:
        if modality == "video":
            return float(read_video(path, ENDS, timeout_seconds=timeout_seconds).metadata()["duration"])
        read_image(path)
        return 0.0
    except (VideoError, ImageError) as error:
        return error


def _whole(sample: Sample, seconds: dict[str, float], otherwise: float) -> float:
    """Seconds of the sample's video; `otherwise` if it has none that opens."""
    return otherwise if sample.video_path is None else seconds.get(sample.video_path, otherwise)


def _length(sample: Sample, seconds: dict[str, float], otherwise: float) -> float:
    """Seconds of what the sample shows of its video."""
    whole, part = _whole(sample, seconds, otherwise), sample.media.part
    return whole if part is None else max(0.0, min(part[1], whole) - part[0])


def _misplaced(samples: list[Sample], seconds: dict[str, float]) -> Iterator[str]:
    """A line for each part, and each span, that begins where its video has ended, or the part that is shown."""
    for sample in samples:
        whole, part = _whole(sample, seconds, inf), sample.media.part
        if part is not None and part[0] >= whole:
            rule = f"a part begins before its video ends, at {whole:.2f} s ({sample.video_path})"
            yield f"{sample.sample_id}: start is {part[0]:g}: {rule}"
            continue
        length = _length(sample, seconds, inf)
        for start, end in sample.spans:
            if start >= length:
                what = "its part" if part else "its video"
                rule = f"a span begins before {what} ends, at {length:.2f} s ({sample.video_path})"
                yield f"{sample.sample_id}: spans is {start:g} to {end:g}: {rule}"
