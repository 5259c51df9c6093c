"""The tiny model's tokenizer: a byte-level BPE of a few hundred tokens, so any text round-trips exactly.

The tags of a response are ordinary added tokens (`special=False`): decoding with `skip_special_tokens=True` keeps them.
No normaliser is used, so text that is not in NFC form round-trips too.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast
from transformers.utils.chat_template_utils import render_jinja_template

PAD, END = "<|endoftext|>", "<|im_end|>"
TAGS = ("<think>", "</think>", "<answer>", "</answer>")
SPECIAL = (
    PAD,
    "<|im_start|>",
    END,
    "<|vision_start|>",
    "<|vision_end|>",
    "<|image_pad|>",
    "<|video_pad|>",
)
CHAT_TEMPLATE = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n"
    "{% if message['content'] is string %}{{ message['content'] }}{% else %}{% for part in message['content'] %}"
    "{% if part['type'] == 'image' %}<|vision_start|><|image_pad|><|vision_end|>"
    "{% elif part['type'] == 'video' %}<|vision_start|><|video_pad|><|vision_end|>"
    "{% else %}{{ part['text'] }}{% endif %}{% endfor %}{% endif %}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


def train_tokenizer(corpus: Iterable[str], *, max_tokens: int = 700) -> PreTrainedTokenizerFast:
    """Trains a tokenizer of at most `max_tokens` tokens (256 bytes, merges, tags, special tokens) on `corpus`."""
    split = re.compile("|".join(re.escape(token) for token in TAGS + SPECIAL))
    pieces = (piece for text in corpus for piece in split.split(text) if piece)
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=max_tokens - len(TAGS) - len(SPECIAL),
        min_frequency=2,
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    tokenizer.train_from_iterator(pieces, trainer)
    tokenizer.add_special_tokens([AddedToken(token, normalized=False, special=True) for token in SPECIAL])
    tokenizer.add_tokens([AddedToken(token, normalized=False, special=False) for token in TAGS])
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        eos_token=END,
        pad_token=PAD,
        padding_side="left",
        clean_up_tokenization_spaces=False,
        chat_template=CHAT_TEMPLATE,
        model_max_length=2048,
    )


class ChatTemplate:
    """The chat template without a tokenizer: renders the warm-up's prompts before there is a vocabulary."""

    def apply_chat_template(
        self, conversation: list[dict[str, Any]], *, tokenize: bool = False, add_generation_prompt: bool = False
    ) -> str:
        """The text of a conversation, as the checkpoint's processor renders it."""
        if tokenize:
            raise ValueError("ChatTemplate has no tokenizer; call it with tokenize=False")
        rendered: Any = render_jinja_template(
            [conversation], chat_template=CHAT_TEMPLATE, add_generation_prompt=add_generation_prompt
        )
        return str(rendered[0][0])
