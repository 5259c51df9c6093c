"""What somebody might answer who knows a question of the embedded data set, but not its video."""

from __future__ import annotations

from storage.datasets.shapes_question import MAX_COUNT, PART_SECONDS, SPANS, span_text
from storage.datasets.shapes_scene import COLOURS, DIRECTIONS, PARTS, SHAPES
from storage.records import Sample


def plausible(sample: Sample) -> tuple[str, ...]:
    """Every answer that the question may have: its letters, the words of its kind, the counts, the spans."""
    if sample.problem_type == "multiple_choice":
        return tuple("ABCDEFGH"[: len(sample.options)])
    if sample.problem_type == "number":
        return NUMBERS
    if sample.problem_type == "temporal_grounding":
        return HIDDEN if "hidden" in sample.question else VISIBLE
    (words,) = [names for names in (COLOURS, SHAPES, DIRECTIONS) if sample.answer in names]
    return tuple(words)


def _parts(first: int, last: int) -> tuple[float, float]:
    return PART_SECONDS * first, PART_SECONDS * (last + 1)


NUMBERS = tuple(str(number) for number in range(2, MAX_COUNT + 1))
VISIBLE = tuple(span_text(_parts(first, last)) for first, last in SPANS)
HIDDEN = tuple(
    span_text(*(_parts(i, j) for i, j in ((0, first - 1), (last + 1, len(PARTS) - 1)) if i <= j))
    for first, last in SPANS
)
