"""Attention of packed groups: a response sees its prompt and itself, never its siblings.

One group with P = 3, G = 2, T = 2; p is the prompt, a and b are the responses:

                 p0 p1 p2 a0 a1 b0 b1
            p0    1
            p1    1  1
            p2    1  1  1
            a0    1  1  1  1
            a1    1  1  1  1  1
            b0    1  1  1        1
            b1    1  1  1        1  1

Two calls of PyTorch's scaled_dot_product_attention a group make this without the mask: the prompt is causal over
itself; the G responses are a batch of T queries over P + T keys, causal from the lower right corner. PyTorch's flash
kernels know both shapes, so one path serves CPU and GPU. On one CPU core, forward and backward, it was measured to be
1.6 to 2.5 times as fast as one call with the dense mask, whose cost grows with (P + G T)^2.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn.attention.bias import causal_lower_right
from torch.nn.functional import scaled_dot_product_attention
from transformers import AttentionInterface, AttentionMaskInterface
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import sdpa_mask

SHARED_PREFIX = "shared_prefix"
"""The name under which transformers knows this attention."""


@dataclass(frozen=True, slots=True)
class PackedGroup:
    """A group's place in the packed sequence: prompt_length tokens, then group_size rows of response_length tokens."""

    prompt_length: int
    group_size: int
    response_length: int

    @property
    def num_tokens(self) -> int:
        """P + G T."""
        return self.prompt_length + self.group_size * self.response_length


@dataclass(frozen=True, slots=True)
class Packing:
    """The groups of a packed sequence in order; takes the place of an attention mask."""

    groups: tuple[PackedGroup, ...]


def shared_prefix_attention(
    module: Any,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Packing | Tensor | None,
    dropout: float = 0.0,
    scaling: float | None = None,
    **kwargs: Any,
) -> tuple[Tensor, None]:
    """[1, L, heads, D] from query [1, heads, L, D] and key, value [1, kv_heads, L, D]; ordinary masks go to SDPA."""
    if not isinstance(attention_mask, Packing):
        result: tuple[Tensor, None] = sdpa_attention_forward(
            module, query, key, value, attention_mask, dropout, scaling, **kwargs
        )
        return result
    # Under autocast the rotary embedding leaves query and key in float32; the lower-right kernels do not cast.
    query, key = query.to(value.dtype), key.to(value.dtype)
    sizes = [group.num_tokens for group in attention_mask.groups]
    states = (x[0].split(sizes, dim=1) for x in (query, key, value))
    parts = [
        _attend(group, q, k, v, dropout, scaling) for group, q, k, v in zip(attention_mask.groups, *states, strict=True)
    ]
    return torch.cat(parts)[None], None


def _attend(group: PackedGroup, q: Tensor, k: Tensor, v: Tensor, dropout: float, scale: float | None) -> Tensor:
    """[P + G T, heads, D] of one group from its [heads, P + G T, D]."""
    p, g, t = group.prompt_length, group.group_size, group.response_length
    # Split, not sliced: the backward pass of a split is one concatenation, of slices a filled tensor and a sum each.
    (q_prompt, q_rows), (k_prompt, k_rows), (v_prompt, v_rows) = (x.split([p, g * t], dim=1) for x in (q, k, v))

    def responses(x: Tensor) -> Tensor:
        rows: Tensor = x.unflatten(1, (g, t)).transpose(0, 1)
        return rows

    def with_prompt(prompt: Tensor, rows: Tensor) -> Tensor:
        return torch.cat([prompt.expand(g, -1, -1, -1), responses(rows)], dim=2)

    prompt = scaled_dot_product_attention(
        q_prompt[None], k_prompt[None], v_prompt[None], None, dropout, True, scale=scale, enable_gqa=True
    )
    mask: Any = causal_lower_right(t, p + t)
    keys, values = with_prompt(k_prompt, k_rows), with_prompt(v_prompt, v_rows)
    rows = scaled_dot_product_attention(responses(q_rows), keys, values, mask, dropout, scale=scale, enable_gqa=True)
    return torch.cat([prompt[0].transpose(0, 1), rows.transpose(1, 2).flatten(0, 1)])


AttentionInterface.register(SHARED_PREFIX, shared_prefix_attention)
AttentionMaskInterface.register(SHARED_PREFIX, sdpa_mask)
