"""The ceiling of the embedded benchmark: the warm policy, taught the right responses until they teach no more.

Supervised fine-tuning of the language model on fresh samples of the training distribution, with the vision encoder
as it is: what reinforcement learning, which trains the same weights, could come to know of L1. It never sees L2 or L3.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np

from flows.warmup_examples import make_examples, make_exercises
from storage.datasets import shapes
from storage.datasets.shapes_scene import FPS
from storage.video import read_video
from trainer.checkpoint import save_checkpoint
from trainer.policy import load_policy, load_processor
from trainer.probe import probe_checkpoint
from trainer.warmup_batch import Clips
from trainer.warmup_language import teach_responses
from trainer.warmup_optimizer import Schedule

DATA_SEED = 2_000_003


def teach(checkpoint: Path, out: Path, *, num_videos: int, schedule: Schedule) -> float:
    """Writes the taught policy to `out`; returns the mean of the last 20 losses, nats a token."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        shapes.generate(root, seed=DATA_SEED, num_train=num_videos, num_validation=0)
        samples, traces = shapes.load(root), shapes.traces(root)
        frames = np.stack([read_video(sample.video_path).frames for sample in samples])
    model, processor = load_policy(checkpoint, trainable=True), load_processor(checkpoint)
    rng = np.random.default_rng(DATA_SEED)
    examples = list(make_examples(samples, traces, processor, rng, styles=("plain", "plain")))
    rehearsal = make_exercises(len(examples), rng)
    loss = teach_responses(model, processor, examples, Clips(processor, frames, FPS), rehearsal, schedule, rng)
    save_checkpoint(model, checkpoint, out)
    probe_checkpoint(out)
    return loss
