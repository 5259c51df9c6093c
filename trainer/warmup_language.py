"""The warm-up's second and third part: the language model learns to look up, then to answer about videos."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch.nn import functional

from trainer.positions import Grid, mrope_positions
from trainer.warmup_batch import IGNORED, Clips, Example, Exercise, Tokens, collate, encode_example, encode_exercise
from trainer.warmup_encoder import encode_all
from trainer.warmup_optimizer import Learner, Schedule, drawn_without_replacement

REHEARSAL_WEIGHT = 0.3
"""Of the texts' loss beside the responses'."""


def teach_texts(
    model: Any, processor: Any, exercises: Sequence[Exercise], schedule: Schedule, rng: np.random.Generator
) -> float:
    """SFT on texts without video; returns the mean of the last 20 losses."""
    tokens = [encode_exercise(processor.tokenizer, exercise) for exercise in exercises]
    learner = Learner("texts", model.model.language_model.parameters(), schedule)
    for rows in drawn_without_replacement(rng, len(exercises), schedule):
        learner.step(_text_loss(model, [tokens[row] for row in rows]))
    return learner.recent_loss()


def teach_responses(
    model: Any,
    processor: Any,
    examples: Sequence[Example],
    clips: Clips,
    rehearsal: Sequence[Exercise],
    schedule: Schedule,
    rng: np.random.Generator,
) -> float:
    """SFT on responses to prompts with video; returns the mean of the last 20 losses.

    Each step rehearses some texts without video, or what they taught is forgotten within a few hundred steps.
    The encoder stays as it is, as in reinforcement learning, so its outputs are computed once.
    """
    features = encode_all(model, clips)
    tokens = [encode_example(processor.tokenizer, example, features.shape[1]) for example in examples]
    texts = [encode_exercise(processor.tokenizer, exercise) for exercise in rehearsal]
    learner = Learner("responses", model.model.language_model.parameters(), schedule)
    rehearsed = drawn_without_replacement(rng, len(texts), replace(schedule, batch_size=schedule.batch_size // 2))
    for rows, again in zip(drawn_without_replacement(rng, len(examples), schedule), rehearsed, strict=True):
        batch = collate([tokens[row] for row in rows], model.config.video_token_id)
        seen = features[[examples[row].clip for row in rows]]
        rehearsing = _text_loss(model, [texts[row] for row in again])
        learner.step(response_loss(model, batch, seen, clips) + REHEARSAL_WEIGHT * rehearsing)
    return learner.recent_loss()


def response_loss(model: Any, batch: dict[str, torch.Tensor], features: torch.Tensor, clips: Clips) -> torch.Tensor:
    """Mean negative log-likelihood of the batch's response tokens, given its clips' features [N, tokens, hidden]."""
    inputs = model.get_input_embeddings()(batch["input_ids"])
    inputs = inputs.masked_scatter(batch["is_video"][..., None], features)
    grid = Grid(clips.grid, clips.seconds_per_pair)
    positions = [mrope_positions(ids, {"video": grid}, model.config) for ids in batch["input_ids"]]
    return _loss(model, batch, inputs, torch.stack(positions, dim=1))


def _text_loss(model: Any, texts: Sequence[Tokens]) -> torch.Tensor:
    batch = collate(texts, model.config.video_token_id)
    return _loss(model, batch, model.get_input_embeddings()(batch["input_ids"]), None)


def _loss(
    model: Any, batch: dict[str, torch.Tensor], inputs: torch.Tensor, positions: torch.Tensor | None
) -> torch.Tensor:
    hidden = model.model.language_model(
        inputs_embeds=inputs, attention_mask=batch["attention_mask"], position_ids=positions, use_cache=False
    ).last_hidden_state
    wanted = batch["labels"][:, 1:]
    learned = wanted != IGNORED
    return functional.cross_entropy(model.lm_head(hidden[:, :-1][learned]), wanted[learned])
