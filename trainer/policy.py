"""The policy as a transformers model: loaded whole, vision encoder frozen, only the language model trained."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
import transformers
from transformers import AutoModelForImageTextToText, AutoProcessor

from storage.video import VISION_TOKENS


def load_policy(checkpoint: Path, *, trainable: bool) -> Any:
    """The model in float32; evaluation mode either way (it has no dropout), gradients on the language model alone."""
    transformers.utils.logging.disable_progress_bar()
    model = AutoModelForImageTextToText.from_pretrained(checkpoint, dtype=torch.float32, attn_implementation="sdpa")
    model.eval()
    model.requires_grad_(trainable)
    model.model.visual.requires_grad_(False)
    return model


def checkpoint_layers(model: Any) -> None:
    """Has each language layer recompute its activations in the backward pass: less memory, more time.

    transformers does so in training mode alone, so the layers are put in it, and nothing inside them.
    """
    model.gradient_checkpointing_enable()
    for layer in model.model.language_model.layers:
        layer.training = True


def load_processor(checkpoint: Path) -> Any:
    """The checkpoint's own processor: tokenizer, video processor, chat template."""
    return AutoProcessor.from_pretrained(checkpoint)


def forbidden_token_ids(processor: Any) -> list[int]:
    """Ids of the vision tokens, which the engine never samples and whose logits the trainer masks as well."""
    known = processor.tokenizer.get_vocab()
    return sorted(known[name] for name in VISION_TOKENS if name in known)
