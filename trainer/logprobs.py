"""Log-probabilities of responses under a model, as the engine means them: after temperature and token masks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from trainer.batch import Batch


def response_logprobs(model: Any, batch: Batch, forbidden: Sequence[int]) -> Tensor:
    """float32 [N, T]: log-prob of each response token given prompt, video and the tokens before it; 0 at padding.

    Logits are divided by the sampling temperature, and `forbidden` tokens have none, as in the engine. Only response
    positions reach the LM head.
    """
    hidden = model.model(**batch.inputs, use_cache=False).last_hidden_state
    steps = torch.arange(batch.responses.shape[1], device=hidden.device)
    # The state at position P - 1 + t predicts response token t; padding points at a position that exists.
    positions = (batch.prompt_lengths[:, None] - 1 + steps).clamp_max(hidden.shape[1] - 1)
    states = hidden.gather(1, positions[..., None].expand(-1, -1, hidden.shape[-1]))
    logits = model.lm_head(states).float() / batch.temperature
    logits[..., list(forbidden)] = float("-inf")
    picked = logits.gather(-1, batch.responses[..., None]).squeeze(-1)
    return torch.where(batch.mask, picked - logits.logsumexp(-1), 0.0)


def text_logprobs(model: Any, token_ids: Tensor) -> Tensor:
    """float32 [T - 1]: log-prob of each token of a text [T] after its first, temperature 1, nothing masked."""
    logits = model(input_ids=token_ids[None], use_cache=False).logits[0].float()
    logprobs: Tensor = logits[:-1].log_softmax(-1).gather(-1, token_ids[1:, None]).squeeze(-1)
    return logprobs
