"""Where scenes play: what an environment draws around the objects of a question.

Training and level L1 play in FAMILIAR; levels L2 and L3 in NEW: lighter and striped backgrounds, smaller objects, black
specks about them.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from storage.datasets.shapes_question import between
from storage.datasets.shapes_scene import FRAME_SIZE, Scene, Thing


@dataclass(frozen=True, slots=True)
class Environment:
    """Ranges that a scene is drawn from.

    background: lowest and highest mean grey level. texture: standard deviation of its grain when easy and when hard,
    grey levels. stripes: their amplitude, grey levels. scale: factor on every radius. max_specks: black dots at most.
    """

    background: tuple[float, float]
    texture: tuple[float, float]
    stripes: float
    scale: float
    max_specks: int


FAMILIAR = Environment(background=(50, 130), texture=(3, 14), stripes=0.0, scale=1.0, max_specks=0)
NEW = Environment(background=(120, 160), texture=(6, 18), stripes=10.0, scale=0.8, max_specks=6)


def scene_of(
    rng: np.random.Generator, things: tuple[Thing, ...], difficulty: float, environment: Environment = FAMILIAR
) -> Scene:
    """The objects in an environment; difficulty takes contrast away and adds texture."""
    contrast = min(1.0, between(1.1, 0.25, difficulty) * rng.uniform(0.85, 1.15))
    background = float(rng.uniform(*environment.background))
    specks = tuple(
        (*rng.uniform(0, FRAME_SIZE, 2).tolist(), float(rng.uniform(1.0, 2.5)))
        for _ in range(int(rng.integers(environment.max_specks + 1)))
    )
    sized = tuple(replace(thing, radius=thing.radius * environment.scale) for thing in things)
    return Scene(sized, background, between(*environment.texture, difficulty), contrast, environment.stripes, specks)
