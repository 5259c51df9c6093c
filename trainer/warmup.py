"""The warm-up: what a pretrained model brings and a random one lacks, taught in a few minutes on a CPU.

1. The vision encoder learns to tell, from each of its output tokens, what is in that token's region; the linear head
   that reads it is thrown away.
2. The whole model learns responses to rendered prompts (SFT, mean over all response tokens of a batch).

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

from trainer.tiny_model import build, save
from trainer.warmup_batch import Clip, Clips, Example, collate, encode

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Schedule:
    """Steps, batch size (clips or examples) and peak learning rate of one part of the warm-up."""

    steps: int
    batch_size: int
    learning_rate: float


ENCODER = Schedule(steps=300, batch_size=32, learning_rate=2e-3)
RESPONSES = Schedule(steps=300, batch_size=32, learning_rate=2e-3)


def warm_up(
    out: Path,
    *,
    examples: Sequence[Example],
    clips: Sequence[Clip],
    corpus: Sequence[str],
    seed: int = 0,
    encoder: Schedule = ENCODER,
    responses: Schedule = RESPONSES,
) -> dict[str, float]:
    """Builds the tiny model with a tokenizer for `corpus`, teaches it, and writes the checkpoint `out`.

    Returns the final loss of each part and the seconds it took.
    """
    model, processor = build(corpus, seed=seed)
    ready = Clips(processor, clips)
    started = time.monotonic()
    encoder_loss = teach_encoder(model, ready, encoder, np.random.default_rng([seed, 1]))
    between = time.monotonic()
    response_loss = teach_responses(model, processor, examples, ready, responses, np.random.default_rng([seed, 2]))
    ended = time.monotonic()
    save(model, processor, out)
    return {
        "encoder_loss": encoder_loss,
        "response_loss": response_loss,
        "encoder_seconds": between - started,
        "response_seconds": ended - between,
    }


def teach_encoder(model: Any, clips: Clips, schedule: Schedule, rng: np.random.Generator) -> float:
    """Binary cross-entropy of a linear head on the merged vision tokens; returns the mean of the last 20 losses."""
    head = torch.nn.Linear(model.config.vision_config.out_hidden_size, clips.labels.shape[-1])
    torch.nn.init.zeros_(head.weight)
    torch.nn.init.zeros_(head.bias)
    optimizer, scheduler = _optimizer([*model.model.visual.parameters(), *head.parameters()], schedule)
    losses = []
    for step in range(schedule.steps):
        rows = rng.choice(len(clips.labels), schedule.batch_size, replace=False).tolist()
        patches, grid = clips.vision(rows)
        tokens = model.model.visual(patches, grid_thw=grid).pooler_output
        loss = functional.binary_cross_entropy_with_logits(head(tokens), clips.labels[rows].flatten(0, 1))
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
    """SFT on `examples` drawn without replacement, pass after pass; returns the mean of the last 20 losses."""
    encoded = [encode(processor.tokenizer, example, clips.num_tokens) for example in examples]
    optimizer, scheduler = _optimizer(model.parameters(), schedule)
    order: list[int] = []
    losses = []
    for step in range(schedule.steps):
        while len(order) < schedule.batch_size:
            order += rng.permutation(len(examples)).tolist()
        chosen, order = order[: schedule.batch_size], order[schedule.batch_size :]
        rows = [examples[i].clip for i in chosen]
        batch = collate([encoded[i] for i in chosen], clips, rows, model.config)
        losses.append(_step(model(**batch).loss, optimizer, scheduler))
        if step % 50 == 49:
            logger.info("response step %d: loss %.4f", step + 1, np.mean(losses[-20:]))
    return float(np.mean(losses[-20:]))


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
