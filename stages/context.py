"""How many tokens a prompt has for the engine, its video counted.

Engine and trainer expand the one placeholder of a video into as many tokens as its frames give, whatever the text is.
So a prompt that the engine has answered tells how many its video adds, and a prompt with the same video but another
text has the processor's tokens of that text and the same addition.
"""

from __future__ import annotations

from typing import Any

from stages.engine import Generation, Request


def num_video_tokens(answered: Request, generation: Generation, processor: Any) -> int:
    """The tokens that the video of an answered request adds to its text, whose placeholder is counted already."""
    return len(generation.prompt_token_ids) - num_text_tokens(answered.prompt, processor)


def num_text_tokens(prompt: str, processor: Any) -> int:
    """The tokens of a rendered prompt, its placeholder one of them."""
    return len(processor.tokenizer(prompt)["input_ids"])
