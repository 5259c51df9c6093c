"""Log-probabilities of tokens from hidden states, in chunks: logits of all positions never exist at once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint

MAX_LOGITS = 2**26
"""Logits of a chunk, 256 MiB in float32: 441 positions of Qwen2.5-VL's 151,936 tokens."""


def token_logprobs(
    lm_head: Any, states: Tensor, tokens: Tensor, temperature: float, forbidden: Sequence[int]
) -> Tensor:
    """float32 [M]: log-prob of tokens [M] under states [M, hidden]; `forbidden` tokens have none.

    A chunk's logits are made again in the backward pass instead of being kept.
    """
    size = max(1, MAX_LOGITS // lm_head.out_features)
    chunks = zip(states.split(size), tokens.split(size), strict=True)
    never = torch.tensor(forbidden, dtype=torch.int64, device=states.device)
    parts = [
        checkpoint(_chunk_logprobs, lm_head, *chunk, temperature, never, use_reentrant=False, preserve_rng_state=False)
        for chunk in chunks
    ]
    return torch.cat(parts)


def text_logprobs(model: Any, token_ids: Tensor) -> Tensor:
    """float32 [T - 1]: log-prob of each token of a text [T] after its first, temperature 1, nothing masked."""
    logits = model(input_ids=token_ids[None], use_cache=False).logits[0].float()
    logprobs: Tensor = logits[:-1].log_softmax(-1).gather(-1, token_ids[1:, None]).squeeze(-1)
    return logprobs


def _chunk_logprobs(lm_head: Any, states: Tensor, tokens: Tensor, temperature: float, forbidden: Tensor) -> Tensor:
    logits = (lm_head(states).float() / temperature).index_fill_(1, forbidden, float("-inf"))
    picked = logits.gather(1, tokens[:, None]).squeeze(1)
    logprobs: Tensor = picked - logits.logsumexp(1)
    return logprobs
