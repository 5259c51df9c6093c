"""Scenes of coloured objects that appear and move: the records of a scene, its frames and its per-cell facts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

FRAME_SIZE = 84
NUM_FRAMES = 8
FPS = 4.0
COLOURS: dict[str, tuple[int, int, int]] = {
    "red": (230, 40, 40),
    "green": (40, 190, 60),
    "blue": (50, 80, 240),
    "yellow": (240, 225, 50),
    "pink": (240, 130, 190),
    "white": (250, 250, 250),
}
SHAPES = ("circle", "square", "triangle", "cross")
COLOUR_FAMILY = {"red": "warm", "yellow": "warm", "green": "cool", "blue": "cool", "pink": "pale", "white": "pale"}
SHAPE_FAMILY = {"circle": "plain", "square": "plain", "triangle": "pointed", "cross": "pointed"}
DIRECTIONS: dict[str, tuple[int, int]] = {"up": (0, -1), "down": (0, 1), "left": (-1, 0), "right": (1, 0)}
PLACES = ("top", "bottom", "left", "right")
PARTS = ("first", "second", "third", "fourth")
"""The parts of a video: one pair of frames each."""
LIGHT = 30.0
"""Half the difference in grey levels between one edge of the background and the opposite one."""
STRIPE_PERIOD = 14.0
"""From one stripe to the next, pixels along x plus y."""
CLOCK_HEIGHT = 4
"""Of the bar along the lower edge that fills as the video goes on, pixels."""
LABEL_WORDS = (
    *COLOURS,
    *SHAPES,
    "up",
    "down",
    "leftward",
    "rightward",
    *PLACES,
    *PARTS,
    "warm",
    "cool",
    "pale",
    "plain",
    "pointed",
)
"""What `cell_labels` says of a cell, one word a column."""
_SUBPIXEL_BITS = 4


@dataclass(frozen=True, slots=True)
class Thing:
    """One object: centre (x, y) at frame 0 in pixels, velocity (dx, dy) in pixels a frame.

    It is seen from `first_frame` on and no longer at `end_frame`.
    """

    colour: str
    shape: str
    x: float
    y: float
    radius: float
    dx: float = 0.0
    dy: float = 0.0
    first_frame: int = 0
    end_frame: int = NUM_FRAMES

    def seen(self, frame: int) -> bool:
        """Whether the object is there at a frame."""
        return self.first_frame <= frame < self.end_frame

    def centre(self, frame: float) -> tuple[float, float]:
        """The centre in pixels at a frame position, which may lie between two frames."""
        return self.x + self.dx * frame, self.y + self.dy * frame


@dataclass(frozen=True, slots=True)
class Scene:
    """Objects on a grey background, lit from the top left: brighter at the top, redder at the left.

    The light is what tells a patch's place, and the bar along the lower edge what tells the time, as a player's does:
    the encoder's own positions are relative only, and end with a pair of frames.

    background: mean grey level, 0 to 255. texture: standard deviation of the static background, grey levels.
    contrast: 0 to 1, how far an object's colour stands from the background (1: its full colour).
    stripes: amplitude of diagonal stripes, grey levels. specks: (x, y, radius) of black dots that no question is about.
    """

    things: tuple[Thing, ...]
    background: float
    texture: float
    contrast: float
    stripes: float = 0.0
    specks: tuple[tuple[float, float, float], ...] = ()


def draw(scene: Scene, rng: np.random.Generator, num_frames: int = NUM_FRAMES, clock: int = 0) -> np.ndarray:
    """uint8 [num_frames, FRAME_SIZE, FRAME_SIZE, 3]: the scene's frames; `rng` draws the background's texture.

    clock: the frame of a whole video that the bar shows at the first frame.
    """
    frames = np.stack([_empty(scene, rng)] * num_frames)
    for frame in range(num_frames):
        for thing in scene.things:
            if thing.seen(frame):
                cover = _cover(thing, frame)[..., None] * scene.contrast
                frames[frame] += cover * (np.array(COLOURS[thing.colour], dtype=np.float64) - frames[frame])
        frames[frame, -CLOCK_HEIGHT:] = 0.0
        frames[frame, -CLOCK_HEIGHT:, : FRAME_SIZE * (clock + frame + 1) // NUM_FRAMES] = 255.0
    return frames.round().clip(0, 255).astype(np.uint8)


def _empty(scene: Scene, rng: np.random.Generator) -> np.ndarray:
    """float64 [FRAME_SIZE, FRAME_SIZE, 3], 0 to 255: the scene without its objects."""
    grain = cv2.GaussianBlur(rng.normal(0.0, 1.0, (FRAME_SIZE, FRAME_SIZE)), (0, 0), 2.0)
    grey = scene.background + grain * scene.texture / max(float(grain.std()), 1e-6)
    line = np.arange(FRAME_SIZE)
    grey += scene.stripes * np.sin((line[:, None] + line) * (2 * np.pi / STRIPE_PERIOD))
    ramp = np.linspace(LIGHT, -LIGHT, FRAME_SIZE)
    empty = np.repeat((grey + ramp[:, None])[..., None], 3, axis=-1)
    empty[..., 0] += ramp
    empty[..., 2] -= ramp
    for x, y, radius in scene.specks:
        empty *= 1.0 - _cover(Thing("black", "circle", x, y, radius), 0)[..., None]
    return empty.clip(0, 255)


def _cover(thing: Thing, frame: int) -> np.ndarray:
    """float64 [FRAME_SIZE, FRAME_SIZE]: share of each pixel that the object covers, 0 to 1."""
    mask = np.zeros((FRAME_SIZE, FRAME_SIZE), np.uint8)
    (x, y), r, one = thing.centre(frame), thing.radius, 1 << _SUBPIXEL_BITS
    if thing.shape == "circle":
        cv2.circle(mask, (round(x * one), round(y * one)), round(r * one), 255, -1, cv2.LINE_AA, _SUBPIXEL_BITS)
        return mask / 255.0
    a = 0.36 * r
    outline = {
        "square": [(-0.88 * r, -0.88 * r), (0.88 * r, -0.88 * r), (0.88 * r, 0.88 * r), (-0.88 * r, 0.88 * r)],
        "triangle": [(0.0, -1.15 * r), (1.1 * r, 0.85 * r), (-1.1 * r, 0.85 * r)],
        "cross": [
            (-a, -r),
            (a, -r),
            (a, -a),
            (r, -a),
            (r, a),
            (a, a),
            (a, r),
            (-a, r),
            (-a, a),
            (-r, a),
            (-r, -a),
            (-a, -a),
        ],
    }[thing.shape]
    points = np.array([[round((x + px) * one), round((y + py) * one)] for px, py in outline], dtype=np.int32)
    cv2.fillPoly(mask, [points], 255, cv2.LINE_AA, _SUBPIXEL_BITS)
    return mask / 255.0


def cell_labels(things: Sequence[Thing], cell: int = 28, num_frames: int = NUM_FRAMES, clock: int = 0) -> np.ndarray:
    """float32 [frame pairs x rows x columns, L]: what is centred in each cell of each pair of frames, 0 or 1.

    Cells are `cell` pixels wide, in reading order within a pair; the L columns are LABEL_WORDS. A pair counts an object
    that is seen in one of its frames; the places are the cell's own and the part is the pair's, whatever it holds.
    """
    side = FRAME_SIZE // cell
    labels = np.zeros((num_frames // 2, side, side, len(LABEL_WORDS)), np.float32)
    num_things = len(COLOURS) + len(SHAPES) + len(DIRECTIONS)
    for column, cells in enumerate((labels[:, 0], labels[:, -1], labels[:, :, 0], labels[:, :, -1])):
        cells[..., num_things + column] = 1.0
    for pair in range(len(labels)):
        labels[pair, ..., num_things + len(PLACES) + clock // 2 + pair] = 1.0
    for thing in things:
        for pair in range(thing.first_frame // 2, min(num_frames, thing.end_frame + 1) // 2):
            x, y = thing.centre(2 * pair + 0.5)
            row, column = (int(np.clip(value // cell, 0, side - 1)) for value in (y, x))
            words = (thing.colour, thing.shape, COLOUR_FAMILY[thing.colour], SHAPE_FAMILY[thing.shape])
            said = [LABEL_WORDS.index(word) for word in words]
            for index, (u, v) in enumerate(DIRECTIONS.values()):
                if u * thing.dx + v * thing.dy > 0:
                    said.append(len(COLOURS) + len(SHAPES) + index)
            labels[pair, row, column, said] = 1.0
    return labels.reshape(-1, len(LABEL_WORDS))
