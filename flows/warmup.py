"""Makes the embedded policy: `python -m flows.warmup OUT` writes the tiny model, warmed up on the shapes data set.

The warm-up's own videos come from another seed than any run's, so no training sample has been seen before. Every
sample is shown with its plain prompt, with a hint (the first part of its gold trace, never the answer) and with the
guided prompt that reveals the answer; the response is always the gold trace and the answer.
"""

from __future__ import annotations

import argparse
import json
import logging
import tempfile
from pathlib import Path

import numpy as np
import torch

from flows.warmup_examples import make_examples, make_exercises
from storage.datasets import shapes
from storage.datasets.shapes_practice import practice
from storage.datasets.shapes_scene import FPS, LABEL_WORDS
from storage.video import read_video
from trainer.probe import probe_checkpoint
from trainer.tiny_tokenizer import ChatTemplate
from trainer.warmup import Lessons, warm_up

DATA_SEED = 1_000_003
NUM_VIDEOS = 5000
NUM_PRACTICE = 16_000
NUM_EXERCISES = 16_000


def make_lessons(*, seed: int, num_videos: int, num_practice: int, num_exercises: int) -> Lessons:
    """Draws everything that the warm-up teaches; the videos pass through real files, as a run's do."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        shapes.generate(root, seed=DATA_SEED + seed, num_train=num_videos, num_validation=0)
        samples, traces = shapes.load(root), shapes.traces(root)
        videos = np.stack([read_video(str(sample.video_path)).frames for sample in samples])
    draws = [np.random.default_rng([DATA_SEED + seed, part]) for part in range(3)]
    frames, labels = practice(draws[0], num_practice)
    return Lessons(
        practice=frames,
        labels=labels,
        words=LABEL_WORDS,
        exercises=make_exercises(num_exercises, draws[1]),
        videos=videos,
        fps=FPS,
        examples=list(make_examples(samples, traces, ChatTemplate(), draws[2])),
    )


def warm_up_tiny_model(out: Path, *, seed: int = 0) -> dict[str, float]:
    """Makes the lessons, teaches them and writes the checkpoint folder `out`; returns losses and seconds.

    One thread: two on a machine that is busy elsewhere are many times slower than one, and the result would differ.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        lessons = make_lessons(seed=seed, num_videos=NUM_VIDEOS, num_practice=NUM_PRACTICE, num_exercises=NUM_EXERCISES)
        report = warm_up(out, lessons, seed=seed)
        probe_checkpoint(out)
        return report
    finally:
        torch.set_num_threads(threads)


def main() -> None:
    """The command line: `python -m flows.warmup OUT [--seed N]`."""
    parser = argparse.ArgumentParser(description="Writes the embedded policy's checkpoint folder.")
    parser.add_argument("out", type=Path)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    print(json.dumps(warm_up_tiny_model(arguments.out, seed=arguments.seed)))


if __name__ == "__main__":
    main()
