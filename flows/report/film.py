"""Film strips: what the model was shown, clean above augmented, each a row of frames, the image last."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from functools import partial
from typing import Any

import cv2
import numpy as np

from flows.alteration_text import alteration_text
from flows.config import stored_config
from stages.config import VideoConfig
from storage.errors import ImageError, VideoError
from storage.frame_cache import open_cache
from storage.frames import read_shown
from storage.query import query
from storage.records import Alteration, Media
from storage.run import Run
from storage.samples import local_path
from storage.sampling import uniform_indices
from storage.schema import from_table

FRAMES, FRAME_HEIGHT, GAP = 8, 72, 3
SQL = """
select a.*, struct_pack(
    s.video_path, s.video_sha256, s.image_path, s.image_sha256, s.part_start, s.part_end
) as clean
from augmentations a join samples s using (sample_id)
where a.kind in ('noise', 'mask', 'cue')
qualify row_number() over (
    partition by a.kind, least(floor(a.level * 3), 2) order by a.round_index desc, a.sample_id
) = 1
order by a.kind, a.level"""


@dataclass(frozen=True)
class Strip:
    """One augmented sample beside the clean one; pictures are data URLs, `problem` says why there are none."""

    title: str
    clean: str = ""
    shown: str = ""
    problem: str = ""


def strips(run: Run) -> list[Strip]:
    """A weak, a middling and a strong example of each kind of altered pixels, from the latest rounds."""
    video = stored_config(run).video
    found = query(run, SQL)
    rows = zip(found.to_pylist(), from_table(Media, found), from_table(Alteration, found), strict=True)
    return [_strip(run, video, *row) for row in rows]


def _strip(run: Run, video: VideoConfig, row: dict[str, Any], media: Media, alteration: Alteration) -> Strip:
    title = f"{row['sample_id']} in round {row['round_index']}: {alteration_text(row)}"
    try:
        clean = _picture(run, video, Media(**row["clean"]), Alteration())
        return Strip(title, clean, _picture(run, video, media, alteration))
    except (VideoError, ImageError, OSError) as error:
        return Strip(title, problem=str(error))


def _picture(run: Run, video: VideoConfig, media: Media, alteration: Alteration) -> str:
    """What the model is shown, frames and image side by side, as a JPEG in a URL."""
    cache = open_cache(run.files, video.cache_gib)
    shown = read_shown(media, partial(local_path, run.files), video.choice, video.max_pixels, alteration, cache=cache)
    pictures = [] if shown.video is None else list(shown.video.frames)
    pictures = [pictures[i] for i in uniform_indices(len(pictures), FRAMES)]
    pictures += [] if shown.image is None else [shown.image]
    gap = np.full((FRAME_HEIGHT, GAP, 3), 255, np.uint8)
    row = np.hstack([part for picture in pictures for part in (_small(picture), gap)][:-1])
    _, data = cv2.imencode(".jpg", cv2.cvtColor(row, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, 85])
    return f"data:image/jpeg;base64,{base64.b64encode(data.tobytes()).decode()}"


def _small(picture: np.ndarray) -> np.ndarray:
    width = max(1, round(FRAME_HEIGHT * picture.shape[1] / picture.shape[0]))
    return cv2.resize(picture, (width, FRAME_HEIGHT), interpolation=cv2.INTER_AREA)
