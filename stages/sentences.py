"""Where the sentences of a text end, by rule; the only ends are those of words, as white space divides them.

A sentence ends with its line, and after a word that ends in . ! ? or … (or their wide forms), closing quotes and
brackets aside, unless a small letter follows. A full stop is none after an abbreviation ("Dr.", "e.g."), an initial or
option letter ("A."), or a number or letter that opens the sentence ("1. Look"); inside a word ("0.5") it never was one.
"""

from __future__ import annotations

import re

_OPENING, _CLOSING = "\"'“‘«([{*_", "\"'”’»)]}*_"
_STOPS = tuple(".!?…。！？")
_ABBREVIATIONS = frozenset("dr mr mrs ms prof st vs cf approx fig no nr etc".split())
_INITIALS = re.compile(r"[A-Z]|(?:[^\W\d_]\.)+[^\W\d_]")  # A; U.S, e.g, i.e
_LABEL = re.compile(r"\d+|[A-Za-z]")


def sentence_ends(text: str) -> list[int]:
    """The number of words of `text` up to the end of each of its sentences, increasing; [] for no word."""
    ends, count = [], 0
    for line in text.splitlines():
        words, opens = line.split(), True
        for word, following in zip(words, [*words[1:], ""], strict=False):
            count += 1
            opens = not following or _ends(word, following, opens)
            if opens:
                ends.append(count)
    return ends


def _ends(word: str, following: str, opens: bool) -> bool:
    """Whether a sentence ends between two words of a line; `opens`: `word` is the first of its sentence."""
    word = word.rstrip(_CLOSING)
    if not word.endswith(_STOPS) or following.lstrip(_OPENING)[:1].islower():
        return False
    if not word.endswith(".") or word.endswith(".."):
        return True
    stem = word.removesuffix(".").lstrip(_OPENING)
    if stem.casefold() in _ABBREVIATIONS or _INITIALS.fullmatch(stem):
        return False
    return not (opens and _LABEL.fullmatch(stem))
