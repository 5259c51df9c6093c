"""Measures a policy by sampling with transformers: what the warm-up aimed at, and what a hint and noise change."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from stages.prompts import render
from stages.rewards import Reward, grade
from storage.records import Sample
from trainer.positions import mrope_positions


def sample_responses(
    model: Any,
    processor: Any,
    texts: Sequence[str],
    videos: Sequence[np.ndarray],
    *,
    num_responses: int,
    fps: float,
    temperature: float = 1.0,
    max_new_tokens: int = 32,
    chunk: int = 32,
) -> list[list[str]]:
    """`num_responses` decoded responses to each (user text, uint8 [T, H, W, 3] frames); uses torch's global seed."""
    config = model.config
    banned = [
        [config.video_token_id],
        [config.image_token_id],
        [config.vision_start_token_id],
        [config.vision_end_token_id],
    ]
    found: list[list[str]] = []
    for start in range(0, len(texts), chunk):
        frames = list(videos[start : start + chunk])
        metadata = [{"fps": fps, "total_num_frames": len(f), "frames_indices": list(range(len(f)))} for f in frames]
        prompts = [render(processor, text) for text in texts[start : start + chunk]]
        batch = processor(
            text=prompts, videos=frames, video_metadata=metadata, padding=True, padding_side="left", return_tensors="pt"
        )
        positions = [
            mrope_positions(ids, grid, float(seconds), config)
            for ids, grid, seconds in zip(
                batch["input_ids"], batch["video_grid_thw"], batch["second_per_grid_ts"], strict=True
            )
        ]
        with torch.no_grad():
            tokens = model.generate(
                **batch,
                position_ids=torch.stack(positions, dim=1),
                do_sample=True,
                temperature=temperature,
                top_k=0,
                top_p=1.0,
                num_return_sequences=num_responses,
                max_new_tokens=max_new_tokens,
                bad_words_ids=banned,
            )
        decoded = processor.tokenizer.batch_decode(tokens[:, batch["input_ids"].shape[1] :], skip_special_tokens=True)
        found += [decoded[i : i + num_responses] for i in range(0, len(decoded), num_responses)]
    return found


def grades(responses: Sequence[Sequence[str]], samples: Sequence[Sample]) -> list[list[Reward]]:
    """The rewards of each sample's responses."""
    return [[grade(response, sample) for response in group] for group, sample in zip(responses, samples, strict=True)]
