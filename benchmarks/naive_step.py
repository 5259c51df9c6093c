"""The training step without a shared prefix: every response with a copy of its prompt, logits of all of them at once.

What benchmarks/training_step.py measures against, and what tests/test_trainer_prefix.py holds the trainer to.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from trainer.batch import Group, encoder_outputs
from trainer.positions import mrope_positions


@dataclass(frozen=True)
class NaiveBatch:
    """Rows [N, P + T] of prompt and response, right-padded. responses, mask: [N, T]; prompt_lengths: [N]."""

    inputs: dict[str, Any]
    responses: Tensor
    mask: Tensor
    prompt_lengths: Tensor
    forbidden: Sequence[int]
    temperature: float


def collate(groups: Sequence[Group], config: Any, forbidden: Sequence[int], device: torch.device) -> NaiveBatch:
    """One row a response."""
    rows = [(group, rollout) for group in groups for rollout in group.rollouts]
    prompts = [torch.as_tensor(r.prompt_token_ids).long() for _, r in rows]
    responses = [torch.as_tensor(r.response_token_ids).long() for _, r in rows]
    ids = [torch.cat(pair) for pair in zip(prompts, responses, strict=True)]
    input_ids = pad_sequence(ids, batch_first=True)
    positions = [mrope_positions(row, group.grids, config) for row, (group, _) in zip(input_ids, rows, strict=True)]
    inputs = {
        "input_ids": input_ids.to(device),
        "attention_mask": pad_sequence([torch.ones_like(row) for row in ids], batch_first=True).to(device),
        "position_ids": torch.stack(positions, dim=1).to(device),
        "mm_encoder_outputs": encoder_outputs([group for group, _ in rows]),
    }
    return NaiveBatch(
        inputs=inputs,
        responses=pad_sequence(responses, batch_first=True).to(device),
        mask=pad_sequence([torch.ones(len(r), dtype=torch.bool) for r in responses], batch_first=True).to(device),
        prompt_lengths=torch.tensor([len(prompt) for prompt in prompts], device=device),
        forbidden=forbidden,
        temperature=rows[0][1].temperature,
    )


def response_logprobs(model: Any, batch: NaiveBatch) -> Tensor:
    """float32 [N, T]: log-prob of each response token; 0 at padding."""
    hidden = model.model(**batch.inputs, use_cache=False).last_hidden_state
    steps = torch.arange(batch.responses.shape[1], device=hidden.device)
    # The state at position P - 1 + t predicts response token t; padding points at a position that exists.
    positions = (batch.prompt_lengths[:, None] - 1 + steps).clamp_max(hidden.shape[1] - 1)
    states = hidden.gather(1, positions[..., None].expand(-1, -1, hidden.shape[-1]))
    logits = model.lm_head(states).float() / batch.temperature
    logits[..., list(batch.forbidden)] = float("-inf")
    picked = logits.gather(-1, batch.responses[..., None]).squeeze(-1)
    return torch.where(batch.mask, picked - logits.logsumexp(-1), 0.0)
