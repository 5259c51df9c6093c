"""MVBench: twenty tasks about what changes over time (arXiv:2311.17005); a JSON list a task, named after it.

    action_antonym.json    video, question, candidates, answer (the text of one of them)

Five tasks ask about a part of a video, `start` to `end` in seconds, and their rows show that part, of which the
benchmark's own loader takes its frames too (OpenGVLab/Ask-Anything, video_chat2/mvbench.ipynb). The videos of one of
the five, `episodic_reasoning`, are folders of pictures, which cannot be read yet: its rows are rejected.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from storage.datasets.collect import Converted, collect
from storage.datasets.data_root import path_below
from storage.datasets.fields import Options, PublishedRow, Seconds, Text
from storage.datasets.options import letter_of
from storage.datasets.parts import check_part
from storage.datasets.record_files import Records, annotation_files, records
from storage.datasets.rows import Loaded, OnBadRow, Place, bad, checked
from storage.errors import UserError
from storage.records import Sample

FOLDERS = {
    "action_antonym": "ssv2_video",
    "action_count": "perception/videos",
    "action_localization": "sta/sta_video",
    "action_prediction": "star/Charades_v1_480",
    "action_sequence": "star/Charades_v1_480",
    "character_order": "perception/videos",
    "counterfactual_inference": "clevrer/video_validation",
    "egocentric_navigation": "vlnqa",
    "episodic_reasoning": "tvqa/frames_fps3_hq",
    "fine_grained_action": "Moments_in_Time_Raw/videos",
    "fine_grained_pose": "nturgbd",
    "moving_attribute": "clevrer/video_validation",
    "moving_count": "clevrer/video_validation",
    "moving_direction": "clevrer/video_validation",
    "object_existence": "clevrer/video_validation",
    "object_interaction": "star/Charades_v1_480",
    "object_shuffle": "perception/videos",
    "scene_transition": "scene_qa/video",
    "state_change": "perception/videos",
    "unexpected_action": "FunQA_test/test",
}
"""Where each task's videos are, below the root."""
PICTURES = {"episodic_reasoning"}
"""Tasks whose videos are folders of pictures, three a second."""


class Question(PublishedRow):
    """An item of a task's list."""

    video: Text
    question: Text
    candidates: Options
    answer: Text
    start: Seconds | None = None
    end: Seconds | None = None
    accurate_start: float | None = None
    accurate_end: float | None = None


def read(annotations: Path, video_root: Path, *, on_bad_row: OnBadRow) -> Loaded:
    """The questions of one task's file, or of every one in the folder `annotations`; all of the validation split."""

    def convert(values: Any, place: Place) -> Converted:
        row = checked(Question, values, *place)
        task = place.file.stem
        check_part(row.start, row.end, place)
        if task in PICTURES:
            raise bad(*place, "video", row.video, "a video file; a folder of pictures cannot be shown yet")
        sample = Sample(
            f"{task}-{str(place.line).strip('[]')}",
            path_below(video_root, f"{FOLDERS[task]}/{row.video}", place),
            row.question,
            letter_of(row.answer, row.candidates, place),
            "multiple_choice",
            tuple(row.candidates),
            split="validation",
            category=task,
            part_start=row.start,
            part_end=row.end,
        )
        return sample, row.not_read()

    return collect(_records(annotations), convert, on_bad_row)


def _records(annotations: Path) -> Records:
    for file in annotation_files(annotations, "*.json"):
        if file.stem not in FOLDERS:
            raise UserError(f"{file}: no task of MVBench has this name; there are: {', '.join(FOLDERS)}")
        yield from records(file)
