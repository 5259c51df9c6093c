"""Free text, graded by the words it shares with the ground truth."""

from __future__ import annotations

import unicodedata
from collections import Counter

from stages.short_text import ARTICLES, without_punctuation


def words(text: str) -> Counter[str]:
    """How often each word of `text` occurs, without case, punctuation around it, and articles.

    A word is what stands between white space. Departure from SQuAD, which deletes punctuation inside words too: there
    "3.5" is "35" and "-5" is "5".
    """
    found = (without_punctuation(word) for word in unicodedata.normalize("NFC", text).casefold().split())
    return Counter(word for word in found if word not in ARTICLES and any(map(str.isalnum, word)))


def token_f1(predicted: str, answer: str) -> float:
    """F1 of the words of two texts, 0 to 1, each counted as often as it occurs (SQuAD, arXiv:1606.05250)."""
    found, truth = words(predicted), words(answer)
    shared = (found & truth).total()
    return 2 * shared / (found.total() + truth.total()) if shared else 0.0
