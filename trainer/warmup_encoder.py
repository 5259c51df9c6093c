"""The warm-up's first part: the vision encoder learns to say what is in the region of each of its output tokens.

It says a word by the product of its output with the word's embedding. So its outputs start out in the language model's
own space, and questions about colour are answered after hundreds of steps instead of thousands.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch.nn import functional

from trainer.warmup_batch import Clips
from trainer.warmup_optimizer import Learner, Schedule, drawn_without_replacement


def teach_encoder(
    model: Any,
    processor: Any,
    clips: Clips,
    labels: np.ndarray,
    words: Sequence[str],
    schedule: Schedule,
    rng: np.random.Generator,
) -> float:
    """Binary cross-entropy of "this token says this word"; returns the mean of the last 20 losses.

    labels: float32 [clips, merged tokens, words], each 0 or 1. A word of several tokens has their mean embedding.
    """
    tokenizer, embedding = processor.tokenizer, model.get_input_embeddings().weight.detach()
    spoken = torch.stack([embedding[tokenizer.encode(f" {word}", add_special_tokens=False)].mean(0) for word in words])
    scale = torch.full((1,), 10.0, requires_grad=True)
    bias = torch.full((len(words),), -2.0, requires_grad=True)
    learner = Learner("encoder", [*model.model.visual.parameters(), scale, bias], schedule)
    for rows in drawn_without_replacement(rng, len(labels), schedule):
        said = scale * (encoded(model, clips, rows).flatten(0, 1) @ spoken.T) + bias
        wanted = torch.from_numpy(labels[rows]).flatten(0, 1)
        learner.step(functional.binary_cross_entropy_with_logits(said, wanted))
    return learner.recent_loss()


def encoded(model: Any, clips: Clips, rows: Sequence[int]) -> torch.Tensor:
    """The encoder's output for some clips: float32 [rows, merged tokens, hidden]."""
    patches, grid = clips.vision(rows)
    output = model.model.visual(patches, grid_thw=grid).pooler_output
    features: torch.Tensor = output.unflatten(0, (len(rows), -1))
    return features


def encode_all(model: Any, clips: Clips, chunk: int = 32) -> torch.Tensor:
    """The encoder's output for every clip, without gradients: float32 [clips, merged tokens, hidden]."""
    with torch.no_grad():
        starts = range(0, len(clips), chunk)
        return torch.cat([encoded(model, clips, range(i, min(i + chunk, len(clips)))) for i in starts])
