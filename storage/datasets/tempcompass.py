"""TempCompass: does a model see what happens in time? (arXiv:2403.00476); a JSON object a task.

    multi-choice.json        {video_id: {dimension: [{"question": "...?\\nA. one\\nB. two", "answer": "A. one"}]}}
    caption_matching.json    the same, with options such as "Caption A: one", "Sentence B: two", "Option 1: one"
    yes_no.json              the same, without options; the answer is "yes" or "no"
    captioning.json          a caption to write, which the published evaluation has a model grade: rejected

A sample's domain is its task, and its category the dimension: action, speed, direction, order, attribute_change.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from storage.datasets.collect import Converted, collect
from storage.datasets.data_root import path_below
from storage.datasets.fields import PublishedRow, Text
from storage.datasets.options import LETTERS, letter_of
from storage.datasets.record_files import Records, annotation_files, members
from storage.datasets.rows import Loaded, OnBadRow, Place, bad, checked
from storage.errors import UserError
from storage.records import Sample

TASKS = ("multi-choice", "caption_matching", "yes_no", "captioning")
_LABEL = re.compile(r"(?:(?:Caption|Sentence|Option) )?([A-Z1-9])[.:]\s+")


class Question(PublishedRow):
    """A question, with the keys that it is found under."""

    video_id: Text
    dimension: Text
    index: int
    question: Text
    answer: Text


def read(questions: Path, video_root: Path, *, on_bad_row: OnBadRow) -> Loaded:
    """The questions of one task's file, or of every one in the folder; videos are `<video_id>.mp4` below the root."""

    def convert(values: Any, place: Place) -> Converted:
        row, task = checked(Question, values, *place), place.file.stem
        if task == "captioning":
            raise bad(*place, "answer", row.answer, "an answer that a rule can grade; a caption has none")
        if task == "yes_no" and row.answer not in ("yes", "no"):
            raise bad(*place, "answer", row.answer, "yes or no")
        question, labelled, texts = (row.question, [], []) if task == "yes_no" else _options(row, place)
        sample = Sample(
            f"{task}-{row.video_id}-{row.dimension}-{row.index}",
            path_below(video_root, f"{row.video_id}.mp4", place, "video_id"),
            question,
            letter_of(row.answer, labelled, place) if labelled else row.answer,
            "multiple_choice" if labelled else "yes_no",
            tuple(texts),
            split="validation",
            category=row.dimension,
            domain=task,
        )
        return sample, row.not_read()

    return collect(_records(questions), convert, on_bad_row)


def _records(questions: Path) -> Records:
    for file in annotation_files(questions, "*.json"):
        if file.stem not in TASKS:
            raise UserError(f"{file}: no task of TempCompass has this name; there are: {', '.join(TASKS)}")
        for video_id, dimensions in members(file):
            yield from _of_video(file, video_id, dimensions)


def _of_video(file: Path, video_id: str, dimensions: Any) -> Records:
    if not isinstance(dimensions, dict):
        yield Place(file, video_id), bad(file, video_id, "the video", dimensions, "an object of dimensions")
        return
    for dimension, found in dimensions.items():
        key = f"{video_id}.{dimension}"
        if not isinstance(found, list):
            yield Place(file, key), bad(file, key, "the dimension", found, "a list of questions")
            continue
        for index, values in enumerate(found):
            keys = {"video_id": video_id, "dimension": dimension, "index": index}
            yield Place(file, f"{key}[{index}]"), values | keys if isinstance(values, dict) else values


def _options(row: Question, place: Place) -> tuple[str, list[str], list[str]]:
    """The question alone, its options with their labels, and without."""
    lines = [line.strip() for line in row.question.split("\n")]
    first = next((i for i, line in enumerate(lines) if _LABEL.match(line)), len(lines))
    question, labelled = "\n".join(lines[:first]).strip(), lines[first:]
    if not question or not 2 <= len(labelled) <= len(LETTERS):
        raise bad(*place, "question", row.question, "a question, and two options or more after it, a line each")
    texts = []
    for index, line in enumerate(labelled):
        label = _LABEL.match(line)
        if label is None or label.end() == len(line) or label[1] not in (LETTERS[index], str(index + 1)):
            raise bad(*place, "question", line, f"an option that is labelled {LETTERS[index]} or {index + 1}")
        texts.append(line[label.end() :])
    return question, labelled, texts
