"""MMMU's reading of an open answer, which Video-MMMU keeps (lmms-eval, lmms_eval/tasks/videommmu/utils.py)."""

from __future__ import annotations

import re

_KEYS = (
    "could be |so |is |thus |therefore |final |answer |result |are |in total |total |identify |recognize |"
    "calculated as |counted as |measured as |observed as |concluded as |found to be |equals |determined to be |"
    "number of |value is |adds up to |have |has "
).split("|")
"""What an answer stands behind, and `=` on the last line. A key may end a word: "so" is in "also"."""
_NUMBERS = tuple(
    re.compile(pattern)
    for pattern in (
        r"-?\b\d{1,3}(?:,\d{3})+\b",
        r"-?\d+(?:\.\d+)?e[+-]?\d+",
        r"-?(?:\d*\.\d+|\d+\b)(?!e[+-]?\d)(?![,\d])",
    )
)
"""1,234; 1.5e3; 1.5, unless a comma follows it. "5kg" has none."""


def holds_answer(text: str, answer: str) -> bool:
    """Whether a key part of `text` holds `answer`, or, if that is a number, holds it to two decimals.

    Key parts are, in lower case, the shortest end of each line behind one of `_KEYS`; all of the text if there is none.
    Departure from theirs where a line ends with a key: what they take then depends on the order of the keys.
    """
    parts = _key_parts(text)
    found = [form for part in parts for form in _forms(part)]
    found += [form for part in parts for number in _numbers(part) for form in _forms(number)]
    return any(_matches(one, right) for one in found for right in _forms(answer))


def _key_parts(text: str) -> list[str]:
    text = text.strip().strip(".").lower()
    *lines, last = text.split("\n")
    parts = [_shortest_end(line, _KEYS) for line in lines] + [_shortest_end(last, [*_KEYS, "="])]
    return [part for part in parts if part and part not in tuple(":,.!?;'")] or ([text] if text else [])


def _shortest_end(line: str, keys: list[str]) -> str:
    return min((line.rpartition(key)[2].strip() for key in keys if key in line), key=len, default="")


def _numbers(part: str) -> list[str]:
    return [number for pattern in _NUMBERS for number in pattern.findall(part)]


def _forms(text: str) -> list[str | float]:
    """A number, rounded; else the text in lower case; one character with a space before or behind it."""
    text = text.strip().lower()
    try:
        return [round(float(text.replace(",", "")), 2)]
    except ValueError:
        return [f" {text}", f"{text} "] if len(text) == 1 else [text]


def _matches(found: str | float, right: str | float) -> bool:
    if isinstance(found, str):
        return isinstance(right, str) and right in found
    return found == right
