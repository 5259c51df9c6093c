"""Film strips: what the model was shown, clean above augmented, each a row of frames in one small picture."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np

from flows.alteration_text import alteration_text
from flows.config import stored_config
from stages.config import VideoConfig
from storage.errors import VideoError
from storage.frames import read_frames
from storage.query import query
from storage.records import Alteration
from storage.run import Run
from storage.samples import local_path
from storage.sampling import uniform_indices
from storage.schema import from_table

FRAMES, FRAME_HEIGHT, GAP = 8, 72, 3
SQL = """
select a.*, s.video_path as clean
from augmentations a join samples s using (sample_id)
where a.kind in ('noise', 'mask', 'cue')
qualify row_number() over (
    partition by a.kind, least(floor(a.level * 3), 2) order by a.round_index desc, a.sample_id
) = 1
order by a.kind, a.level"""


@dataclass(frozen=True)
class Strip:
    """One augmented video beside the clean one; pictures are data URLs, `problem` says why there are none."""

    title: str
    clean: str = ""
    shown: str = ""
    problem: str = ""


def strips(run: Run) -> list[Strip]:
    """A weak, a middling and a strong example of each kind of augmented video, from the latest rounds."""
    video = stored_config(run).video
    found = query(run, SQL)
    pairs = zip(found.to_pylist(), from_table(Alteration, found), strict=True)
    return [_strip(run, video, row, alteration) for row, alteration in pairs]


def _strip(run: Run, video: VideoConfig, row: dict[str, Any], alteration: Alteration) -> Strip:
    title = f"{row['sample_id']} in round {row['round_index']}: {alteration_text(row)}"
    try:
        clean = _picture(run, video, row["clean"], Alteration())
        return Strip(title, clean, _picture(run, video, row["video_path"], alteration))
    except (VideoError, OSError) as error:
        return Strip(title, problem=str(error))


def _picture(run: Run, video: VideoConfig, path: str, alteration: Alteration) -> str:
    """The frames of a video as the model is shown them, side by side, as a JPEG in a URL."""
    frames = read_frames(local_path(run.files, path), video.choice, video.max_pixels, alteration).frames
    frames = frames[uniform_indices(len(frames), FRAMES)]
    width = max(1, round(FRAME_HEIGHT * frames.shape[2] / frames.shape[1]))
    small = [cv2.resize(frame, (width, FRAME_HEIGHT), interpolation=cv2.INTER_AREA) for frame in frames]
    gap = np.full((FRAME_HEIGHT, GAP, 3), 255, np.uint8)
    row = np.hstack([part for frame in small for part in (frame, gap)][:-1])
    _, data = cv2.imencode(".jpg", cv2.cvtColor(row, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, 85])
    return f"data:image/jpeg;base64,{base64.b64encode(data.tobytes()).decode()}"
