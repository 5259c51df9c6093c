"""The warm-up: what a pretrained model brings and a random one lacks, taught on a CPU in half an hour.

1. The vision encoder learns to say what it sees (`warmup_encoder`).
2. The language model learns to look up an earlier word's neighbour, in texts without video (`warmup_language`):
   without this, the letter of an option stays at chance for thousands of steps.
3. The language model learns responses to rendered prompts with video, and rehearses the texts.

All is deterministic given the seed, on one machine and thread count.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from trainer.tiny_model import build, save
from trainer.warmup_batch import Clips, Example, Exercise
from trainer.warmup_encoder import teach_encoder
from trainer.warmup_language import teach_responses, teach_texts
from trainer.warmup_optimizer import Schedule

ENCODER = Schedule(steps=1200, batch_size=64, learning_rate=2e-3)
TEXTS = Schedule(steps=300, batch_size=64, learning_rate=2e-3)
RESPONSES = Schedule(steps=2200, batch_size=32, learning_rate=2e-3)


@dataclass(frozen=True, slots=True, eq=False)
class Lessons:
    """What the warm-up teaches.

    practice: uint8 [clips, 2, H, W, 3], pairs of frames. labels: float32 [clips, merged tokens, words], 0 or 1.
    words: what the labels' last axis means. exercises: texts without video.
    videos: uint8 [videos, T, H, W, 3], at `fps` frames per second. examples: prompts and responses about them.
    """

    practice: np.ndarray
    labels: np.ndarray
    words: Sequence[str]
    exercises: Sequence[Exercise]
    videos: np.ndarray
    fps: float
    examples: Sequence[Example]


def warm_up(
    out: Path,
    lessons: Lessons,
    *,
    seed: int = 0,
    encoder: Schedule = ENCODER,
    texts: Schedule = TEXTS,
    responses: Schedule = RESPONSES,
) -> dict[str, float]:
    """Builds the tiny model with a tokenizer for the lessons' texts, teaches it, and writes the checkpoint `out`.

    Returns the last loss of each part and the seconds it took.
    """
    corpus = [*(shown.text for shown in lessons.exercises), *(shown.text for shown in lessons.examples)]
    model, processor = build(corpus, seed=seed)
    practice = Clips(processor, lessons.practice, lessons.fps)
    videos = Clips(processor, lessons.videos, lessons.fps)
    draws = [np.random.default_rng([seed, part]) for part in range(3)]
    clock = [time.monotonic()]
    losses = [teach_encoder(model, processor, practice, lessons.labels, lessons.words, encoder, draws[0])]
    clock.append(time.monotonic())
    losses.append(teach_texts(model, processor, lessons.exercises, texts, draws[1]))
    clock.append(time.monotonic())
    losses.append(teach_responses(model, processor, lessons.examples, videos, lessons.exercises, responses, draws[2]))
    clock.append(time.monotonic())
    save(model, processor, out)
    report = {}
    for part, name in enumerate(("encoder", "texts", "responses")):
        report[f"{name}_loss"] = losses[part]
        report[f"{name}_seconds"] = clock[part + 1] - clock[part]
    return report
