"""Film strips: what the model was shown, clean above augmented, each a row of frames in one small picture."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np

from flows.config import stored_config
from stages.config import VideoConfig
from storage.query import query
from storage.run import Run
from storage.samples import local_path
from storage.video import VideoError, read_video, uniform_indices

FRAMES, FRAME_HEIGHT, GAP = 8, 72, 3
SQL = """
select a.kind, a.round_index, a.sample_id, a.level, a.realised_sigma, s.video_path as clean, a.video_path as shown
from augmentations a join samples s using (sample_id)
where a.kind <> 'none' and a.video_sha256 <> s.video_sha256
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
    return [_strip(run, video, row) for row in query(run, SQL).to_pylist()]


def _strip(run: Run, video: VideoConfig, row: dict[str, Any]) -> Strip:
    sigma = "" if row["realised_sigma"] is None else f", sigma {row['realised_sigma']:.1f} of 255"
    title = f"{row['sample_id']} in round {row['round_index']}: {row['kind']}, level {row['level']:.2f}{sigma}"
    try:
        return Strip(title, _picture(run, video, row["clean"]), _picture(run, video, row["shown"]))
    except (VideoError, OSError) as error:
        return Strip(title, problem=str(error))


def _picture(run: Run, video: VideoConfig, path: str) -> str:
    """The frames of a video as the model is shown them, side by side, as a JPEG in a URL."""
    frames = read_video(local_path(run.files, path), video.num_frames, video.max_pixels).frames
    frames = frames[uniform_indices(len(frames), FRAMES)]
    width = max(1, round(FRAME_HEIGHT * frames.shape[2] / frames.shape[1]))
    small = [cv2.resize(frame, (width, FRAME_HEIGHT), interpolation=cv2.INTER_AREA) for frame in frames]
    gap = np.full((FRAME_HEIGHT, GAP, 3), 255, np.uint8)
    row = np.hstack([part for frame in small for part in (frame, gap)][:-1])
    _, data = cv2.imencode(".jpg", cv2.cvtColor(row, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, 85])
    return f"data:image/jpeg;base64,{base64.b64encode(data.tobytes()).decode()}"
