"""Numbers that are the truth of a question: in digits, so that a rule can compare a response with them."""

from __future__ import annotations

import re

from storage.datasets.rows import Place, bad

_NUMBER = re.compile(
    r"[-+]?(?:\d+/[1-9]\d*|\.\d+|(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d*)?(?:e[-+]?\d{1,2})?)%?", re.ASCII | re.IGNORECASE
)
_LONGEST = 64


def is_number(text: str) -> bool:
    """Whether `text` is one number: `3`, `-0.5`, `1,200`, `3/4`, `2e-3`, `50%`."""
    return len(text) <= _LONGEST and _NUMBER.fullmatch(text) is not None


def in_digits(text: str, place: Place, name: str) -> str:
    """`text`, which field `name` holds, if it is a number."""
    if not is_number(text):
        raise bad(*place, name, text, "one number in digits, such as 3, -0.5 or 3/4")
    return text
