"""Short texts, compared without what does not change their meaning."""

from __future__ import annotations

import re
import unicodedata
from typing import Final

_PUNCTUATION = re.escape(".,;:!?…\"'`´“”‘’«»()[]{}<>*_-–—")
# A leading sign or decimal point belongs to its number: "-5" is not "5".
_LEADING = re.compile(rf"^(?:(?![-.]{{0,2}}\d)[{_PUNCTUATION}])+")
_TRAILING = re.compile(rf"(?<![{_PUNCTUATION}])[{_PUNCTUATION}]+$")
ARTICLES: Final = frozenset({"a", "an", "the"})


def without_punctuation(text: str) -> str:
    """`text` without the punctuation around it; text that is nothing else stays."""
    return _TRAILING.sub("", _LEADING.sub("", text)) or text


def normalise_text(text: str) -> str:
    """`text` without case, surrounding punctuation, articles and repeated white space; otherwise unchanged.

    An article is a word before another word, so the last word of "vitamin A" stays.
    """
    words = without_punctuation(unicodedata.normalize("NFC", text).casefold().strip()).split()
    return " ".join([word for word in words[:-1] if word not in ARTICLES] + words[-1:])


def same_text(predicted: str, answer: str) -> bool:
    """Whether both are the same text after `normalise_text`; an empty prediction never is."""
    return bool(predicted) and normalise_text(predicted) == normalise_text(answer)
