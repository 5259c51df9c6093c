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

from flows.warmup_examples import make_examples
from storage.datasets import shapes
from storage.datasets.shapes_scene import LABEL_WORDS, cell_labels
from storage.video import read_video
from trainer.tiny_tokenizer import ChatTemplate
from trainer.warmup import warm_up
from trainer.warmup_batch import Clip

WARMUP_SEED_OFFSET = 1_000_003
NUM_VIDEOS = 2000


def warm_up_tiny_model(out: Path, *, seed: int = 0) -> dict[str, float]:
    """Makes the data, warms the model up and writes the checkpoint folder `out`; returns losses and seconds."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        shapes.generate(root, seed=WARMUP_SEED_OFFSET + seed, num_train=NUM_VIDEOS, num_validation=0)
        samples, traces, drawn = shapes.load(root), shapes.traces(root), shapes.objects(root)
        videos = [read_video(sample.video_path) for sample in samples]
    clips = [
        Clip(video.frames, video.fps, cell_labels(drawn[sample.sample_id]))
        for video, sample in zip(videos, samples, strict=True)
    ]
    rng = np.random.default_rng([seed, 3])
    examples = list(make_examples(samples, traces, ChatTemplate(), rng))
    corpus = [example.prompt + example.response for example in examples]
    return warm_up(out, examples=examples, clips=clips, corpus=corpus, words=LABEL_WORDS, seed=seed)


def main() -> None:
    """The command line: `python -m flows.warmup OUT [--seed N]`."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    torch.set_num_threads(1)
    print(json.dumps(warm_up_tiny_model(arguments.out, seed=arguments.seed)))


if __name__ == "__main__":
    main()
