"""Where sentences end: by hand, one case a rule."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.sentences import sentence_ends

# "|" stands where a sentence ends, the text's own end included.
CASES = [
    "It moves.| Then it stops.|",
    "It is at 0.5 seconds.| It stops at 1.5 s.| Then nothing.|",
    "I count 3.| Then two more.|",
    "1. Look first.| 2. Count them.|",
    "Dr. Smith waves, e.g. Mr. Jones.| No. 5 wins, approx. 5 vs. 4.|",
    "It could be A. red ball or (B.) Blue box.|",
    "a. The first.|\nb. The second.|",
    "The U.S. Flag waves, i.e. Moves.|",
    "Well... it waits.| Wait... | Then it goes.|",
    "Well\u2026 it waits\u2026| It goes.|",
    "Stop!| Really?!| \u201cYes.\u201d| (It did.)| **Good.**| So.|",
    "He said \u201cNo.\u201d and left.|",
    "a line|\nanother line,|\nthe third.|\n\n  - A list.| Done|",
    "no stop at all|",
    "猫がいる。| 犬もいる！|",
    "",
]


@pytest.mark.parametrize("case", CASES)
def test_sentences_by_hand(case: str) -> None:
    parts = case.split("|")
    expected, count = [], 0
    for part in parts[:-1]:
        count += len(part.split())
        expected.append(count)
    assert sentence_ends(case.replace("|", "")) == expected


@given(st.text())
def test_the_last_sentence_ends_with_the_last_word(text: str) -> None:
    ends = sentence_ends(text)
    assert ends == sorted(set(ends))
    assert ends[-1:] == ([len(text.split())] if text.split() else [])
