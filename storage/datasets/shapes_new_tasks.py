"""The questions of level L3, none of which is in the training split: each turns a training task around."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from storage.datasets.shapes_question import (
    PART_SECONDS,
    Drawn,
    Kind,
    appearing,
    counted,
    direction,
    listed,
    passing,
    pick,
    span_text,
    when,
)
from storage.datasets.shapes_scene import COLOURS, PARTS, SHAPES


def last(rng: np.random.Generator, difficulty: float) -> Drawn:
    """Which colour appears last?"""
    things = appearing(rng, difficulty)
    *earlier, answer = [thing.colour for thing in things]
    evidence = f"{listed(earlier).capitalize()} {'come' if len(earlier) > 1 else 'comes'} earlier,"
    choices = (*earlier, *COLOURS)
    return Drawn(things, "Which colour appears last?", answer, evidence, f"so {answer}", choices)


def mover(rng: np.random.Generator, difficulty: float) -> Drawn:
    """Which colour moves left?"""
    moving = direction(rng, difficulty)
    answer = moving.things[0].colour
    question = f"Which colour moves {moving.answer}?"
    return replace(moving, question=question, answer=answer, conclusion=f"so {answer}", choices=tuple(COLOURS))


def count_shape(rng: np.random.Generator, difficulty: float) -> Drawn:
    """How many squares are there?"""
    form, *others = pick(rng, SHAPES, 4)
    plural = "crosses" if form == "cross" else f"{form}s"
    drawn, evidence = counted(rng, difficulty)
    hues = [tuple(COLOURS)[int(i)] for i in rng.integers(len(COLOURS), size=len(drawn))]
    things = tuple(
        replace(thing, colour=hue, shape=form if wanted else others[int(rng.integers(len(others)))])
        for (thing, wanted), hue in zip(drawn, hues, strict=True)
    )
    total = sum(wanted for _, wanted in drawn)
    return Drawn(things, f"How many {plural} are there?", str(total), evidence, f"so {total}")


def when_shape(rng: np.random.Generator, difficulty: float) -> Drawn:
    """When is the square visible?"""
    seen = when(rng, difficulty)
    return replace(seen, question=f"When is the {seen.things[0].shape} visible?")


def hidden(rng: np.random.Generator, difficulty: float) -> Drawn:
    """When is the red one hidden? The answer may be two spans."""
    things, (begin, end) = passing(rng, difficulty)
    whole = (0.0, PART_SECONDS * len(PARTS))
    spans = tuple(
        (start, stop)
        for start, stop in ((whole[0], PART_SECONDS * begin), (PART_SECONDS * (end + 1), whole[1]))
        if start < stop
    )
    evidence = f"Seen from the {PARTS[begin]} to the {PARTS[end]} part,"
    question = f"When is the {things[0].colour} one hidden?"
    return Drawn(things, question, span_text(*spans), evidence, f"so {span_text(*spans)}", spans=spans)


NEW_KINDS: tuple[Kind, ...] = (
    ("last", last, "multiple_choice", 0.20),
    ("mover", mover, "short_text", 0.25),
    ("count_shape", count_shape, "number", 0.20),
    ("when_shape", when_shape, "temporal_grounding", 0.20),
    ("hidden", hidden, "temporal_grounding", 0.15),
)
