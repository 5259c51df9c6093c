"""Whether an answer is the right one of yes and no."""

from __future__ import annotations

from stages.short_text import same_text
from storage.records import Sample


def same_yes_no(predicted: str, sample: Sample) -> bool:
    """Whether `predicted` is the right word alone; "Yes, it is" is no answer, as is "yes and no".

    ValueError for a ground truth that is neither `yes` nor `no`.
    """
    if sample.answer not in ("yes", "no"):
        raise ValueError(f"sample_id={sample.sample_id!r}: answer {sample.answer!r} is neither; store `yes` or `no`")
    return same_text(predicted, sample.answer)
