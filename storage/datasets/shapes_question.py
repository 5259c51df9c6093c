"""The questions of training and of levels L1 and L2; each kind draws objects, a question, its answer and a gold trace.

A trace states the evidence first and the answer last, so that its first half is a hint that does not give the answer.
`difficulty`, 0 to 1, shrinks sizes, contrast, motion and time between appearances, and adds clutter and more to count.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from storage.datasets.shapes_scene import (
    COLOUR_FAMILY,
    COLOURS,
    DIRECTIONS,
    FPS,
    FRAME_SIZE,
    NUM_FRAMES,
    PARTS,
    SHAPE_FAMILY,
    SHAPES,
    Thing,
)
from storage.records import ProblemType

QUADRANTS = ("top left", "top right", "bottom left", "bottom right")
NUMBER_WORDS = ("none", "one", "two", "three", "four", "five", "six")
MAX_COUNT = 6
PART_SECONDS = NUM_FRAMES / FPS / len(PARTS)
SPANS = tuple((i, j) for i in range(len(PARTS)) for j in range(i, len(PARTS)) if (i, j) != (0, len(PARTS) - 1))
"""First and last part of every span that is shorter than the video."""


@dataclass(frozen=True, slots=True)
class Drawn:
    """Objects, a question about them, the answer in words (digits for a count), and the trace's two parts.

    choices: what the other options are drawn from. spans: (start, end) in seconds, of what is asked for; in a question
    of order, of what shows the answer.
    """

    things: tuple[Thing, ...]
    question: str
    answer: str
    evidence: str
    conclusion: str
    choices: tuple[str, ...] = ()
    spans: tuple[tuple[float, float], ...] = ()


def between(easy: float, hard: float, difficulty: float) -> float:
    """The value at a difficulty, on the line from `easy` to `hard`."""
    return easy + (hard - easy) * difficulty


def pick(rng: np.random.Generator, names: tuple[str, ...], count: int) -> list[str]:
    """Different names, in random order."""
    return [names[i] for i in rng.permutation(len(names))[:count]]


def quadrant(rng: np.random.Generator, place: int, jitter: float = 6.0) -> tuple[float, float]:
    """A point near the middle of a quadrant (index into QUADRANTS), in pixels."""
    x, y = (0.25 + 0.5 * (place % 2)) * FRAME_SIZE, (0.25 + 0.5 * (place // 2)) * FRAME_SIZE
    dx, dy = rng.uniform(-jitter, jitter, 2)
    return x + dx, y + dy


def radius_of(rng: np.random.Generator, difficulty: float) -> float:
    """An object's radius in pixels: 13 when easy, 5 when hard, give or take a tenth."""
    return between(13.0, 5.0, difficulty) * rng.uniform(0.9, 1.1)


def still(rng: np.random.Generator, difficulty: float) -> tuple[list[Thing], list[int]]:
    """One to four objects of different colours and shapes, each in its own quadrant, and their places."""
    count = 1 + int(rng.integers(0, 2)) + int(rng.uniform(0, 2.99) * difficulty)
    places = [int(i) for i in rng.permutation(4)[:count]]
    colours, shapes = pick(rng, tuple(COLOURS), count), pick(rng, SHAPES, count)
    radius = radius_of(rng, difficulty)
    things = [Thing(c, s, *quadrant(rng, p), radius) for c, s, p in zip(colours, shapes, places, strict=True)]
    return things, places


def colour(rng: np.random.Generator, difficulty: float) -> Drawn:
    """What colour is the square?"""
    things, places = still(rng, difficulty)
    target = things[0]
    evidence = f"A {COLOUR_FAMILY[target.colour]} colour at the {QUADRANTS[places[0]]},"
    question = f"What colour is the {target.shape}?"
    return Drawn(tuple(things), question, target.colour, evidence, f"so {target.colour}", tuple(COLOURS))


def shape(rng: np.random.Generator, difficulty: float) -> Drawn:
    """What shape is red?"""
    things, places = still(rng, difficulty)
    target = things[0]
    evidence = f"A {SHAPE_FAMILY[target.shape]} shape at the {QUADRANTS[places[0]]},"
    question = f"What shape is {target.colour}?"
    return Drawn(tuple(things), question, target.shape, evidence, f"so {target.shape}", SHAPES)


def direction(rng: np.random.Generator, difficulty: float) -> Drawn:
    """Which way does the red one move?"""
    count = 1 + int(rng.integers(0, 2)) + int(difficulty > 0.7)
    names = pick(rng, tuple(DIRECTIONS), count)
    distance = between(40.0, 6.0, difficulty**0.6) * rng.uniform(0.9, 1.1)
    radius, step = min(radius_of(rng, difficulty), 10.0), distance / (NUM_FRAMES - 1)
    things = []
    for name, place, hue in zip(names, rng.permutation(4), pick(rng, tuple(COLOURS), count), strict=False):
        (x, y), (u, v) = quadrant(rng, int(place), 3.0), DIRECTIONS[name]
        middle = FRAME_SIZE / 2
        x = middle + 0.6 * (x - middle) if u else x
        y = middle + 0.6 * (y - middle) if v else y
        half = distance / 2
        form = SHAPES[int(rng.integers(len(SHAPES)))]
        things.append(Thing(hue, form, x - u * half, y - v * half, radius, u * step, v * step))
    kept = "height" if DIRECTIONS[names[0]][0] else "column"
    evidence = f"Its {kept} stays,"
    question = f"Which way does the {things[0].colour} one move?"
    return Drawn(tuple(things), question, names[0], evidence, f"so it moves {names[0]}", tuple(DIRECTIONS))


def count(rng: np.random.Generator, difficulty: float) -> Drawn:
    """How many red ones are there?"""
    hue, *others = pick(rng, tuple(COLOURS), 4)
    things, evidence = counted(rng, difficulty)
    named = tuple(
        replace(thing, colour=hue if wanted else others[int(rng.integers(len(others)))]) for thing, wanted in things
    )
    total = sum(wanted for _, wanted in things)
    return Drawn(named, f"How many {hue} ones are there?", str(total), evidence, f"so {total}")


def counted(rng: np.random.Generator, difficulty: float) -> tuple[list[tuple[Thing, bool]], str]:
    """Red things of any shape, each with whether it counts, and the trace's evidence; those on a side all count."""
    total = 2 + int(rng.uniform(0, between(1.5, MAX_COUNT - 1, difficulty)))
    left = int(rng.integers(max(1, total - 3), min(3, total - 1) + 1))
    clutter = int(rng.uniform(0, 4.0) * difficulty)
    rows = {column: [int(row) for row in rng.permutation(3)] for column in range(3)}
    columns = [0] * left + [2] * (total - left)
    columns += [int(column) for column in rng.permutation([c for c in range(3) for _ in range(3 - columns.count(c))])]
    radius = min(radius_of(rng, difficulty), 11.0)
    things = []
    for index, column in enumerate(columns[: total + clutter]):
        x, y = (0.5 + np.array([column, rows[column].pop()])) * FRAME_SIZE / 3 + rng.uniform(-2.0, 2.0, 2)
        form = SHAPES[int(rng.integers(len(SHAPES)))]
        things.append((Thing("red", form, float(x), float(y), radius), index < total))
    return things, f"{NUMBER_WORDS[left].capitalize()} on the left and {NUMBER_WORDS[total - left]} on the right,"


def first(rng: np.random.Generator, difficulty: float) -> Drawn:
    """Which colour appears first?"""
    things = appearing(rng, difficulty)
    colours = [thing.colour for thing in things]
    later = listed(colours[1:])
    evidence = f"{later.capitalize()} {'come' if len(colours) > 2 else 'comes'} later,"
    choices = (*colours, *COLOURS)
    alone = (things[0].first_frame / FPS, things[1].first_frame / FPS)
    question = "Which colour appears first?"
    return Drawn(things, question, colours[0], evidence, f"so {colours[0]}", choices, spans=(alone,))


def listed(names: list[str]) -> str:
    """The names in alphabetical order, as a sentence says them."""
    *most, last = sorted(names)
    return f"{', '.join(most)} and {last}" if most else last


def appearing(rng: np.random.Generator, difficulty: float) -> tuple[Thing, ...]:
    """Two to four objects of different colours that appear one after the other."""
    number = 2 + int(rng.uniform(0, 2.5) * difficulty + 0.3)
    gap = 2 if difficulty < 0.75 else 1
    start = int(rng.integers(0, NUM_FRAMES - gap * (number - 1)))
    colours = pick(rng, tuple(COLOURS), number)
    radius = radius_of(rng, difficulty)
    return tuple(
        Thing(c, SHAPES[int(rng.integers(len(SHAPES)))], *quadrant(rng, int(p)), radius, first_frame=start + gap * i)
        for i, (c, p) in enumerate(zip(colours, rng.permutation(4), strict=False))
    )


def when(rng: np.random.Generator, difficulty: float) -> Drawn:
    """When is the red one visible?"""
    things, (first, last) = passing(rng, difficulty)
    evidence = f"From the {PARTS[first]} to the {PARTS[last]} part,"
    span = (PART_SECONDS * first, PART_SECONDS * (last + 1))
    question = f"When is the {things[0].colour} one visible?"
    return Drawn(things, question, span_text(span), evidence, f"so {span_text(span)}", spans=(span,))


def passing(rng: np.random.Generator, difficulty: float) -> tuple[tuple[Thing, ...], tuple[int, int]]:
    """Still objects that are seen for some of the video's parts, and the first and last part of the first object."""
    things, _ = still(rng, difficulty)
    spans = [SPANS[int(rng.integers(len(SPANS)))] for _ in things]
    length = NUM_FRAMES // len(PARTS)
    seen = (
        replace(thing, first_frame=length * first, end_frame=length * (last + 1))
        for thing, (first, last) in zip(things, spans, strict=True)
    )
    return tuple(seen), spans[0]


def span_text(*spans: tuple[float, float]) -> str:
    """Spans as an answer says them."""
    return ", ".join(f"{start:.1f} to {end:.1f}" for start, end in spans)


Maker = Callable[[np.random.Generator, float], Drawn]
Kind = tuple[str, Maker, ProblemType, float]
"""A kind of question: its name, what draws it, its problem type, its share of the samples."""
KINDS: tuple[Kind, ...] = (
    ("colour", colour, "short_text", 0.14),
    ("shape", shape, "short_text", 0.14),
    ("direction", direction, "short_text", 0.14),
    ("count", count, "number", 0.17),
    ("when", when, "temporal_grounding", 0.17),
    ("first", first, "multiple_choice", 0.12),
    ("colour_choice", colour, "multiple_choice", 0.04),
    ("shape_choice", shape, "multiple_choice", 0.04),
    ("direction_choice", direction, "multiple_choice", 0.04),
)
