"""The records that flow between stages: one frozen dataclass a table row, token arrays as numpy.

`storage/schema.py` holds the Arrow schema of each; DESIGN.md's word table defines every name.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

ProblemType = Literal["multiple_choice", "number", "short_text"]
Pass = Literal["original", "augmented", "control"]
Kind = Literal["none", "noise", "hint"]
Label = Literal["hard", "easy", "kept"]


@dataclass(frozen=True, slots=True)
class Sample:
    """One question about one video.

    `answer` is the ground truth in canonical form: a capital letter for `multiple_choice` (index into
    `options`), digits for `number`, the word or phrase for `short_text`. `spans` are seconds.
    """

    sample_id: str
    video_path: str
    question: str
    answer: str
    problem_type: ProblemType
    options: tuple[str, ...] = ()
    spans: tuple[tuple[float, float], ...] = ()
    split: str = "train"
