"""Options of multiple-choice rows: their texts without labels, and the letter of the right one."""

from __future__ import annotations

import re
import string
from collections.abc import Sequence

from storage.datasets.rows import Place, bad

LETTERS = string.ascii_uppercase
_LABEL = re.compile(r"\(?([A-Z])[.):](?:\s+|$)")


def option_texts(options: Sequence[str], place: Place) -> tuple[str, ...]:
    """The texts of `A. red`, `B. blue`, ...; options of which the first has no label A are texts already."""
    if not 2 <= len(options) <= len(LETTERS):
        raise bad(*place, "options", options, f"2 to {len(LETTERS)} options")
    labels = [_LABEL.match(option) for option in options]
    if not (labels and labels[0] and labels[0].group(1) == "A"):
        return tuple(options)
    texts = []
    for letter, label, option in zip(LETTERS, labels, options, strict=False):
        text = option[label.end() :].strip() if label and label.group(1) == letter else ""
        if not text:
            raise bad(*place, "options", option, f"its label is {letter}, with a text after it")
        texts.append(text)
    return tuple(texts)


def right_letter(letter: str, options: Sequence[str], place: Place, name: str = "answer") -> str:
    """`letter`, which field `name` holds, if an option has it."""
    if letter not in list(LETTERS[: len(options)]):
        raise bad(*place, name, letter, f"the letter of an option, A to {LETTERS[len(options) - 1]}")
    return letter


def letter_of(text: str, options: Sequence[str], place: Place, name: str = "answer") -> str:
    """The letter of the first option that is `text`, which field `name` holds."""
    if text not in options:
        raise bad(*place, name, text, "the text of one of the options")
    return LETTERS[options.index(text)]
