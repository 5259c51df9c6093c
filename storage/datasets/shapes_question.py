"""The questions about a scene: each kind draws its objects, its question, its answer and a gold reasoning trace.

A trace states the evidence first and the answer last, so that its first half is a hint that does not give the answer.
`difficulty`, 0 to 1, shrinks sizes, contrast, motion and time between appearances, and adds clutter and more to count.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from storage.datasets.shapes_scene import (
    COLOUR_FAMILY,
    COLOURS,
    DIRECTIONS,
    FRAME_SIZE,
    NUM_FRAMES,
    SHAPE_FAMILY,
    SHAPES,
    Scene,
    Thing,
)
from storage.records import ProblemType

QUADRANTS = ("top left", "top right", "bottom left", "bottom right")
NUMBER_WORDS = ("none", "one", "two", "three", "four", "five", "six")
MAX_COUNT = 6


@dataclass(frozen=True, slots=True)
class Drawn:
    """Objects, a question about them, the answer in words (digits for a count), and the trace's two parts."""

    things: tuple[Thing, ...]
    question: str
    answer: str
    evidence: str
    conclusion: str
    choices: tuple[str, ...]


def _between(easy: float, hard: float, difficulty: float) -> float:
    return easy + (hard - easy) * difficulty


def _pick(rng: np.random.Generator, names: tuple[str, ...], count: int) -> list[str]:
    return [names[i] for i in rng.permutation(len(names))[:count]]


def _quadrant(rng: np.random.Generator, place: int, jitter: float = 6.0) -> tuple[float, float]:
    """A point near the middle of a quadrant (index into QUADRANTS), in pixels."""
    x, y = (0.25 + 0.5 * (place % 2)) * FRAME_SIZE, (0.25 + 0.5 * (place // 2)) * FRAME_SIZE
    dx, dy = rng.uniform(-jitter, jitter, 2)
    return x + dx, y + dy


def radius_of(rng: np.random.Generator, difficulty: float) -> float:
    """An object's radius in pixels: 13 when easy, 5 when hard, give or take a tenth."""
    return _between(13.0, 5.0, difficulty) * rng.uniform(0.9, 1.1)


def scene_of(rng: np.random.Generator, things: tuple[Thing, ...], difficulty: float) -> Scene:
    """The objects before a background; difficulty takes contrast away and adds texture."""
    contrast = min(1.0, _between(1.1, 0.25, difficulty) * rng.uniform(0.85, 1.15))
    return Scene(things, float(rng.uniform(50, 130)), _between(3.0, 14.0, difficulty), contrast)


def _still(rng: np.random.Generator, difficulty: float) -> tuple[list[Thing], list[int]]:
    """One to four objects of different colours and shapes, each in its own quadrant, and their places."""
    count = 1 + int(rng.integers(0, 2)) + int(rng.uniform(0, 2.99) * difficulty)
    places = [int(i) for i in rng.permutation(4)[:count]]
    colours, shapes = _pick(rng, tuple(COLOURS), count), _pick(rng, SHAPES, count)
    radius = radius_of(rng, difficulty)
    things = [Thing(c, s, *_quadrant(rng, p), radius) for c, s, p in zip(colours, shapes, places, strict=True)]
    return things, places


def colour(rng: np.random.Generator, difficulty: float) -> Drawn:
    """What colour is the square?"""
    things, places = _still(rng, difficulty)
    target = things[0]
    evidence = f"A {COLOUR_FAMILY[target.colour]} colour at the {QUADRANTS[places[0]]},"
    question = f"What colour is the {target.shape}?"
    return Drawn(tuple(things), question, target.colour, evidence, f"so {target.colour}", tuple(COLOURS))


def shape(rng: np.random.Generator, difficulty: float) -> Drawn:
    """What shape is red?"""
    things, places = _still(rng, difficulty)
    target = things[0]
    evidence = f"A {SHAPE_FAMILY[target.shape]} shape at the {QUADRANTS[places[0]]},"
    question = f"What shape is {target.colour}?"
    return Drawn(tuple(things), question, target.shape, evidence, f"so {target.shape}", SHAPES)


def direction(rng: np.random.Generator, difficulty: float) -> Drawn:
    """Which way does the red one move?"""
    count = 1 + int(rng.integers(0, 2)) + int(difficulty > 0.7)
    names = _pick(rng, tuple(DIRECTIONS), count)
    distance = _between(40.0, 6.0, difficulty**0.6) * rng.uniform(0.9, 1.1)
    radius, step = min(radius_of(rng, difficulty), 10.0), distance / (NUM_FRAMES - 1)
    things = []
    for name, place, hue in zip(names, rng.permutation(4), _pick(rng, tuple(COLOURS), count), strict=False):
        (x, y), (u, v) = _quadrant(rng, int(place), 3.0), DIRECTIONS[name]
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
    total = 2 + int(rng.uniform(0, _between(1.5, MAX_COUNT - 1, difficulty)))
    left = int(rng.integers(max(1, total - 3), min(3, total - 1) + 1))
    clutter = int(rng.uniform(0, 4.0) * difficulty)
    hue, *others = _pick(rng, tuple(COLOURS), 4)
    rows = {column: [int(row) for row in rng.permutation(3)] for column in range(3)}
    columns = [0] * left + [2] * (total - left)
    columns += [int(column) for column in rng.permutation([c for c in range(3) for _ in range(3 - columns.count(c))])]
    radius = min(radius_of(rng, difficulty), 11.0)
    things = []
    for index, column in enumerate(columns[: total + clutter]):
        x, y = (0.5 + np.array([column, rows[column].pop()])) * FRAME_SIZE / 3 + rng.uniform(-2.0, 2.0, 2)
        name = hue if index < total else others[int(rng.integers(len(others)))]
        things.append(Thing(name, SHAPES[int(rng.integers(len(SHAPES)))], float(x), float(y), radius))
    evidence = f"{NUMBER_WORDS[left].capitalize()} on the left and {NUMBER_WORDS[total - left]} on the right,"
    return Drawn(tuple(things), f"How many {hue} ones are there?", str(total), evidence, f"so {total}", ())


def first(rng: np.random.Generator, difficulty: float) -> Drawn:
    """Which colour appears first?"""
    number = 2 + int(rng.uniform(0, 2.5) * difficulty + 0.3)
    gap = 2 if difficulty < 0.75 else 1
    start = int(rng.integers(0, NUM_FRAMES - gap * (number - 1)))
    colours = _pick(rng, tuple(COLOURS), number)
    radius = radius_of(rng, difficulty)
    things = tuple(
        Thing(c, SHAPES[int(rng.integers(len(SHAPES)))], *_quadrant(rng, int(p)), radius, first_frame=start + gap * i)
        for i, (c, p) in enumerate(zip(colours, rng.permutation(4), strict=False))
    )
    later = sorted(colours[1:])
    names = ", ".join(later[:-1]) + " and " + later[-1] if len(later) > 1 else later[0]
    evidence = f"{names.capitalize()} {'come' if len(later) > 1 else 'comes'} later,"
    conclusion = f"so {colours[0]}"
    return Drawn(things, "Which colour appears first?", colours[0], evidence, conclusion, (*colours, *COLOURS))


Maker = Callable[[np.random.Generator, float], Drawn]
KINDS: tuple[tuple[str, Maker, ProblemType, float], ...] = (
    ("colour", colour, "short_text", 0.17),
    ("shape", shape, "short_text", 0.17),
    ("direction", direction, "short_text", 0.16),
    ("count", count, "number", 0.20),
    ("first", first, "multiple_choice", 0.12),
    ("colour_choice", colour, "multiple_choice", 0.06),
    ("shape_choice", shape, "multiple_choice", 0.06),
    ("direction_choice", direction, "multiple_choice", 0.06),
)
"""Each kind of question: its name, what draws it, its problem type, its share of the samples."""
