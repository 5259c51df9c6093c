"""How many tokens a prompt has for the engine, what it shows counted.

Engine and trainer expand the placeholder of a video or image into as many tokens as its pixels give, whatever the text
is. So a prompt that the engine has answered tells how many these add, and a prompt that shows the same with another
text has the processor's tokens of that text and the same addition.
"""

from __future__ import annotations

from typing import Any

from stages.engine import Generation, Request


def num_vision_tokens(answered: Request, generation: Generation, processor: Any) -> int:
    """The tokens that video and image add to the text of an answered request, whose placeholders are counted there."""
    return len(generation.prompt_token_ids) - num_text_tokens(answered.prompt, processor)


def num_text_tokens(prompt: str, processor: Any) -> int:
    """The tokens of a rendered prompt, a placeholder one of them."""
    return len(processor.tokenizer(prompt)["input_ids"])
