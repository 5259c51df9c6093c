"""What was done to a video, in words: for `trace` and for the film strips of the report."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


def alteration_text(row: dict[str, Any]) -> str:
    """The words for a row of `augmentations` whose kind is noise, mask or cue."""
    text = f"{row['kind']}, level {row['level']:.2f}"
    if row["noise_sigma"] is not None:
        text += f", sigma {row['noise_sigma']:.1f} (realised {row['realised_sigma']:.1f})"
    if row["masked_frames"]:
        text += f", {_frames(row['masked_frames'])} black"
    if row["marked_frames"]:
        text += f", {_frames(row['marked_frames'])} marked"
    return text


def _frames(positions: Sequence[int]) -> str:
    return f"frame{'s' * (len(positions) > 1)} {', '.join(map(str, positions))}"
