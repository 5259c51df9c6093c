"""The embedded policy: a real `Qwen2_5_VLForConditionalGeneration` of about two million parameters.

`build` writes an ordinary checkpoint directory (weights, tokenizer, processor, generation settings) that
`from_pretrained`, `AutoProcessor` and vLLM load like any other; `trainer/warmup.py` then teaches it.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch
from transformers import (
    GenerationConfig,
    PreTrainedTokenizerFast,
    Qwen2_5_VLConfig,
    Qwen2_5_VLForConditionalGeneration,
    Qwen2_5_VLProcessor,
    Qwen2VLImageProcessor,
    Qwen2VLVideoProcessor,
)

from trainer.tiny_tokenizer import CHAT_TEMPLATE, END, PAD, train_tokenizer

HIDDEN_SIZE = 128
MIN_PIXELS = 56 * 56
MAX_PIXELS = 112 * 112
EMBEDDING_MULTIPLE = 64


def tiny_config(tokenizer: PreTrainedTokenizerFast) -> Qwen2_5_VLConfig:
    """The architecture: 4 language layers and 3 vision layers of width 128, attention heads of size 32."""
    ids = tokenizer.get_vocab()
    return Qwen2_5_VLConfig(
        text_config={
            "vocab_size": -(-len(tokenizer) // EMBEDDING_MULTIPLE) * EMBEDDING_MULTIPLE,
            "hidden_size": HIDDEN_SIZE,
            "intermediate_size": 352,
            "num_hidden_layers": 4,
            "num_attention_heads": 4,
            "num_key_value_heads": 2,
            "max_position_embeddings": 2048,
            "initializer_range": 0.05,
            "rope_parameters": {"rope_type": "default", "rope_theta": 10000.0, "mrope_section": [4, 6, 6]},
            "bos_token_id": ids[PAD],
            "eos_token_id": ids[END],
            "pad_token_id": ids[PAD],
        },
        vision_config={
            "depth": 3,
            "hidden_size": HIDDEN_SIZE,
            "intermediate_size": 256,
            "num_heads": 4,
            "out_hidden_size": HIDDEN_SIZE,
            "fullatt_block_indexes": [0, 1, 2],
            "initializer_range": 0.05,
        },
        image_token_id=ids["<|image_pad|>"],
        video_token_id=ids["<|video_pad|>"],
        vision_start_token_id=ids["<|vision_start|>"],
        vision_end_token_id=ids["<|vision_end|>"],
        tie_word_embeddings=True,
    )


def tiny_processor(tokenizer: PreTrainedTokenizerFast) -> Qwen2_5_VLProcessor:
    """The processor: 14-pixel patches, 2 x 2 merged, frame pairs; 56 x 56 to 112 x 112 pixels stay as they are."""
    size = {"shortest_edge": MIN_PIXELS, "longest_edge": MAX_PIXELS}
    image = Qwen2VLImageProcessor(size=size, patch_size=14, merge_size=2, temporal_patch_size=2)
    video = Qwen2VLVideoProcessor(
        size=size,
        patch_size=14,
        merge_size=2,
        temporal_patch_size=2,
        do_sample_frames=False,
        cap_pixels_per_frame=False,
    )
    return Qwen2_5_VLProcessor(image, tokenizer, video, chat_template=CHAT_TEMPLATE)


def build(corpus: Iterable[str], *, seed: int = 0) -> tuple[Qwen2_5_VLForConditionalGeneration, Qwen2_5_VLProcessor]:
    """An untrained model (float32, seeded) and its processor, with a tokenizer trained on `corpus`."""
    tokenizer = train_tokenizer(corpus)
    config = tiny_config(tokenizer)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = Qwen2_5_VLForConditionalGeneration(config)
    model.generation_config = GenerationConfig(
        bos_token_id=tokenizer.pad_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    return model, tiny_processor(tokenizer)


def save(model: Any, processor: Any, out: Path) -> None:
    """Writes the checkpoint directory `out`."""
    model.save_pretrained(out)
    processor.save_pretrained(out)
