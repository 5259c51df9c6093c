"""Crowded practice scenes for a vision encoder: two frames each, up to nine objects, no question."""

from __future__ import annotations

import numpy as np

from storage.datasets.shapes_environment import scene_of
from storage.datasets.shapes_question import radius_of
from storage.datasets.shapes_scene import COLOURS, DIRECTIONS, FRAME_SIZE, NUM_FRAMES, SHAPES, Thing, cell_labels, draw

CELLS = 3
NOISY_SHARE, MAX_SIGMA = 0.3, 50.0


def practice(rng: np.random.Generator, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Frames uint8 [count, 2, H, W, 3] and their labels float32 [count, cells, L], as `cell_labels` gives them."""
    frames, labels = zip(*(_one(rng) for _ in range(count)), strict=True)
    return np.stack(frames), np.stack(labels)


def _one(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    difficulty = float(rng.uniform())
    things = []
    for cell in range(CELLS * CELLS):
        if rng.uniform() < 0.5:
            continue
        x, y = (0.5 + np.array([cell % CELLS, cell // CELLS])) * FRAME_SIZE / CELLS + rng.uniform(-9, 9, 2)
        speed = float(rng.uniform(0.8, 6.0)) if rng.uniform() < 0.6 else 0.0
        u, v = tuple(DIRECTIONS.values())[int(rng.integers(len(DIRECTIONS)))]
        radius = min(radius_of(rng, difficulty), 12.0)
        colour, shape = (tuple(names)[int(rng.integers(len(names)))] for names in (COLOURS, SHAPES))
        x, y = float(x) - 0.5 * u * speed, float(y) - 0.5 * v * speed
        first = int(rng.uniform() < 0.1)
        things.append(Thing(colour, shape, x, y, radius, u * speed, v * speed, first))
    clock = 2 * int(rng.integers(NUM_FRAMES // 2))
    frames = draw(scene_of(rng, tuple(things), difficulty), rng, 2, clock)
    if rng.uniform() < NOISY_SHARE:
        noise = rng.standard_normal(frames.shape, np.float32) * np.float32(rng.uniform(0, MAX_SIGMA))
        frames = (frames + noise).round().clip(0, 255).astype(np.uint8)
    return frames, cell_labels(things, num_frames=2, clock=clock)
