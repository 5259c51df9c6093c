"""The warm-up: what a pretrained model brings and a random one lacks, taught in a few minutes on a CPU.

1. The vision encoder learns to say, with each of its output tokens, what is in that token's region.
2. The language model learns responses to rendered prompts (SFT, mean over all response tokens of a batch), from the
   encoder's outputs, computed once: as in reinforcement learning, the encoder is frozen.

Both are deterministic given the seed, on one machine and thread count.
"""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.nn import functional

from trainer.positions import mrope_positions
from trainer.tiny_model import build, save
from trainer.warmup_batch import IGNORED, Clip, Clips, Example, collate, encode

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Schedule:
    """Steps, batch size (clips or examples) and peak learning rate of one part of the warm-up."""

    steps: int
    batch_size: int
    learning_rate: float


ENCODER = Schedule(steps=400, batch_size=16, learning_rate=2e-3)
RESPONSES = Schedule(steps=500, batch_size=32, learning_rate=2e-3)


def warm_up(
    out: Path,
    *,
    examples: Sequence[Example],
    clips: Sequence[Clip],
    corpus: Sequence[str],
    words: Sequence[str],
    seed: int = 0,
    encoder: Schedule = ENCODER,
    responses: Schedule = RESPONSES,
) -> dict[str, float]:
    """Builds the tiny model with a tokenizer for `corpus`, teaches it, and writes the checkpoint `out`.

    words: what the columns of the clips' labels mean.
    Returns the final loss of each part and the seconds it took.
    """
    model, processor = build(corpus, seed=seed)
    ready = Clips(processor, clips)
    started = time.monotonic()
    encoder_loss = teach_encoder(model, processor, ready, words, encoder, np.random.default_rng([seed, 1]))
    between = time.monotonic()
    final_loss = teach_responses(model, processor, examples, ready, responses, np.random.default_rng([seed, 2]))
    ended = time.monotonic()
    save(model, processor, out)
    return {
        "encoder_loss": encoder_loss,
        "response_loss": final_loss,
        "encoder_seconds": between - started,
        "response_seconds": ended - between,
    }


def teach_encoder(
    model: Any, processor: Any, clips: Clips, words: Sequence[str], schedule: Schedule, rng: np.random.Generator
) -> float:
    """Binary cross-entropy of "this token says the word"; returns the mean of the last 20 losses.

    A token says a word by its product with the word's embedding (the mean over the word's tokens), times a learned
    scale plus a bias. So its features start out in the language model's own space, which halves what is left to learn.
    """
    tokenizer, embedding = processor.tokenizer, model.get_input_embeddings().weight.detach()
    spoken = torch.stack([embedding[tokenizer.encode(f" {word}", add_special_tokens=False)].mean(0) for word in words])
    scale = torch.full((1,), 10.0, requires_grad=True)
    bias = torch.full((len(words),), -2.0, requires_grad=True)
    optimizer, scheduler = _optimizer([*model.model.visual.parameters(), scale, bias], schedule)
    losses = []
    for step in range(schedule.steps):
        rows = rng.choice(len(clips.labels), schedule.batch_size, replace=False).tolist()
        patches, grid = clips.vision(rows)
        tokens = model.model.visual(patches, grid_thw=grid).pooler_output
        said = scale * (tokens @ spoken.T) + bias
        loss = functional.binary_cross_entropy_with_logits(said, clips.labels[rows].flatten(0, 1))
        losses.append(_step(loss, optimizer, scheduler))
        if step % 50 == 49:
            logger.info("encoder step %d: loss %.4f", step + 1, np.mean(losses[-20:]))
    return float(np.mean(losses[-20:]))


def teach_responses(
    model: Any,
    processor: Any,
    examples: Sequence[Example],
    clips: Clips,
    schedule: Schedule,
    rng: np.random.Generator,
) -> float:
    """SFT of the language model on `examples`, drawn without replacement, pass after pass; the encoder stays as it is.

    Returns the mean of the last 20 losses.
    """
    features = encode_clips(model, clips)
    encoded = [encode(processor.tokenizer, example, clips.num_tokens) for example in examples]
    optimizer, scheduler = _optimizer(model.model.language_model.parameters(), schedule)
    order: list[int] = []
    losses = []
    for step in range(schedule.steps):
        while len(order) < schedule.batch_size:
            order += rng.permutation(len(examples)).tolist()
        chosen, order = order[: schedule.batch_size], order[schedule.batch_size :]
        batch = collate([encoded[i] for i in chosen], model.config.video_token_id)
        rows = [examples[i].clip for i in chosen]
        losses.append(_step(response_loss(model, batch, features[rows], clips), optimizer, scheduler))
        if step % 50 == 49:
            logger.info("response step %d: loss %.4f", step + 1, np.mean(losses[-20:]))
    return float(np.mean(losses[-20:]))


def encode_clips(model: Any, clips: Clips, chunk: int = 16) -> torch.Tensor:
    """The encoder's output for every clip: float32 [clips, merged tokens, hidden]."""
    parts = []
    with torch.no_grad():
        for start in range(0, len(clips.patches), chunk):
            rows = range(start, min(start + chunk, len(clips.patches)))
            patches, grid = clips.vision(rows)
            parts.append(model.model.visual(patches, grid_thw=grid).pooler_output.unflatten(0, (len(rows), -1)))
    return torch.cat(parts)


def response_loss(model: Any, batch: dict[str, torch.Tensor], features: torch.Tensor, clips: Clips) -> torch.Tensor:
    """Mean negative log-likelihood of the batch's response tokens, given the clips' features."""
    inputs = model.get_input_embeddings()(batch["input_ids"])
    is_video = batch["mm_token_type_ids"] == 2
    inputs = inputs.masked_scatter(is_video[..., None], features)
    positions = [
        mrope_positions(ids, clips.grid[0], clips.seconds_per_pair, model.config) for ids in batch["input_ids"]
    ]
    hidden = model.model.language_model(
        inputs_embeds=inputs,
        attention_mask=batch["attention_mask"],
        position_ids=torch.stack(positions, dim=1),
        use_cache=False,
    ).last_hidden_state
    learned = batch["labels"][:, 1:] != IGNORED
    return functional.cross_entropy(model.lm_head(hidden[:, :-1][learned]), batch["labels"][:, 1:][learned])


def _optimizer(parameters: Any, schedule: Schedule) -> tuple[torch.optim.Optimizer, Any]:
    """AdamW with a linear rise over the first 5 % of the steps and a cosine fall to a tenth."""
    optimizer = torch.optim.AdamW(parameters, lr=schedule.learning_rate, betas=(0.9, 0.98), weight_decay=0.01)
    rise = max(1, schedule.steps // 20)

    def factor(step: int) -> float:
        fall = 0.55 + 0.45 * math.cos(math.pi * step / schedule.steps)
        return min(1.0, (step + 1) / rise) * fall

    return optimizer, torch.optim.lr_scheduler.LambdaLR(optimizer, factor)


def _step(loss: torch.Tensor, optimizer: torch.optim.Optimizer, scheduler: Any) -> float:
    optimizer.zero_grad(set_to_none=True)
    loss.backward()
    torch.nn.utils.clip_grad_norm_([p for group in optimizer.param_groups for p in group["params"]], 1.0)
    optimizer.step()
    scheduler.step()
    return loss.item()
