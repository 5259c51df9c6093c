"""The first part of a text, its share counted in sentences, words or tokens; what is shown is always whole words."""

from __future__ import annotations

import math
from bisect import bisect_right
from itertools import accumulate
from typing import Any

from stages.config import HintUnit
from stages.sentences import sentence_ends


def partial(text: str, fraction: float, unit: HintUnit = "words", tokenizer: Any = None) -> str:
    """The words of the first ceil(fraction * n) of the n units of `text`, joined by spaces; all only for fraction 1.

    `tokens` needs the policy's `tokenizer` (of transformers, with offsets); a word that its tokens only begin is left
    out. Raises ValueError for a fraction outside 0..1.
    """
    if not 0.0 <= fraction <= 1.0:
        raise ValueError(f"hint fraction {fraction} is outside 0..1; give the share of the trace to reveal")
    words = text.split()
    ends = _ends(text, words, unit, tokenizer)
    # 0.07 * 100 is 7.000000000000001 in floats, and its ceiling one unit too many.
    count = math.ceil(fraction * len(ends) - 1e-9)
    count = count if fraction == 1.0 else min(count, len(ends) - 1)
    return " ".join(words[: ends[count - 1]]) if count > 0 else ""


def _ends(text: str, words: list[str], unit: HintUnit, tokenizer: Any) -> list[int]:
    """The number of words that are complete with each unit; the last is all of them."""
    if unit == "sentences":
        return sentence_ends(text)
    if unit == "words":
        return list(range(1, len(words) + 1))
    encoded = tokenizer(" ".join(words), add_special_tokens=False, return_offsets_mapping=True)
    starts = [start for start, _ in encoded["offset_mapping"]]
    word_ends = list(accumulate(words, lambda end, word: end + 1 + len(word), initial=-1))[1:]
    # A word is complete with a token if the next one begins behind it: a letter of several bytes has several tokens.
    return [bisect_right(word_ends, start) for start in starts[1:]] + [len(words)] * bool(starts)
