"""An engine without a model: every response is a hash of its request. For tests of the loop, and shipped as such.

It answers in the right form, with a plausible word, number, letter or span of its own choosing, so that rewards vary in
a group; a guided prompt's answer is repeated after a made-up trace. Its log-probs are those of a fair choice and say
nothing of any policy (`holds_policy` is False). Equal requests give equal responses on every machine.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from stages.config import VideoConfig
from stages.engine import Completion, Generation, Policy, Request, Sampling
from storage.digest import derive_seed

WORDS = ("red", "green", "blue", "yellow", "circle", "square", "triangle", "left", "right", "up", "down")
TRACES = ("It moves slowly and then stops.", "Two shapes can be seen there.", "Look at the last frame.")


class DeterministicEngine:
    """Answers from a hash of (prompt, seed, response number); `load` only remembers the version."""

    holds_policy = False

    def __init__(self, video: VideoConfig, checkpoint: Path) -> None:
        from transformers import AutoProcessor

        self._processor: Any = AutoProcessor.from_pretrained(checkpoint)
        self._limits = video.min_pixels, video.max_pixels

    def load(self, policy: Policy) -> None:
        """See Engine.load."""

    def generate(self, requests: Sequence[Request], sampling: Sampling) -> list[Generation]:
        """See Engine.generate."""
        return [
            Generation(
                self._prompt_token_ids(request),
                tuple(self._complete(request, i, sampling.max_new_tokens) for i in range(sampling.num_responses)),
            )
            for request in requests
        ]

    def score(self, sequences: Sequence[np.ndarray]) -> list[np.ndarray]:
        """See Engine.score."""
        return [np.full(len(tokens) - 1, -self._surprise, dtype=np.float32) for tokens in sequences]

    def release(self) -> None:
        """See Engine.release."""

    @property
    def _surprise(self) -> float:
        return math.log(len(self._processor.tokenizer))

    def _prompt_token_ids(self, request: Request) -> np.ndarray:
        encoded = self._processor(text=[request.prompt], **request.shown.processor_inputs(*self._limits))
        return np.array(encoded["input_ids"][0], dtype=np.int32)

    def _complete(self, request: Request, index: int, max_new_tokens: int) -> Completion:
        choice = derive_seed("deterministic", request.prompt, request.seed, index)
        text = f"<think>{TRACES[choice % len(TRACES)]}</think><answer>{_answer(request.prompt, choice)}</answer>"
        if "<glue>" in request.prompt:
            text += f"<glue>[({choice % 4 / 2}, {choice % 4 / 2 + 1})]</glue>"
        tokenizer = self._processor.tokenizer
        ids = [*tokenizer.encode(text, add_special_tokens=False), tokenizer.eos_token_id]
        finish = "stop" if len(ids) <= max_new_tokens else "length"
        ids = ids[:max_new_tokens]
        logprobs = np.full(len(ids), -self._surprise, dtype=np.float32)
        return Completion(
            tokenizer.decode(ids, skip_special_tokens=True), np.array(ids, dtype=np.int32), logprobs, finish
        )


def _answer(prompt: str, choice: int) -> str:
    guided = re.search(r"The correct answer is ([^\n]+?)\. Explain it\.", prompt)
    if guided:
        return re.sub(r"^([A-Z])\. .*", r"\1", guided.group(1))
    if "Answer with the letter" in prompt:
        letters = re.findall(r"^([A-Z])\. ", prompt, flags=re.MULTILINE)
        return str(letters[choice % len(letters)])
    if "Answer with seconds" in prompt:
        return f"{choice % 4 / 2} to {choice % 4 / 2 + 1}"
    if "Answer with yes or no" in prompt:
        return "yes" if choice % 2 else "no"
    return str(choice % 6) if "Answer with a number" in prompt else WORDS[choice % len(WORDS)]
