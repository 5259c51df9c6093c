"""The first part of a trace in sentences, words or tokens: whole words, growing with the fraction, all of it at 1."""

import math
import typing

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stages.config import HintUnit
from stages.hint import make_hint
from stages.partial import partial
from storage.records import Sample
from trainer.policy import load_processor

UNITS = typing.get_args(HintUnit)


@pytest.fixture(scope="module")
def tokenizer(checkpoint):
    return load_processor(checkpoint).tokenizer


@pytest.mark.parametrize(
    ("fraction", "words"),
    [
        (0.0, ""),
        (0.01, "a"),
        (0.2, "a"),
        (0.21, "a b"),
        (0.5, "a b c"),
        (0.8, "a b c d"),
        (0.99, "a b c d"),
        (1.0, "a b c d e"),
    ],
)
def test_partial_by_hand(fraction: float, words: str) -> None:
    assert partial(" a b\n\nc  d e ", fraction) == words


def test_partial_of_short_traces_and_awkward_fractions() -> None:
    assert partial("one", 0.99) == ""
    assert partial("one", 1.0) == "one"
    assert partial("", 1.0) == partial(" \n", 0.5) == ""
    for hundredths in range(100):  # 0.07 * 100 is above 7 in floats
        assert len(partial("w " * 100, hundredths / 100).split()) == hundredths


@pytest.mark.parametrize("fraction", [-0.1, 1.1, float("nan"), float("inf")])
def test_a_fraction_out_of_range_is_refused(fraction: float) -> None:
    with pytest.raises(ValueError, match=r"outside 0\.\.1"):
        partial("a b", fraction)
    with pytest.raises(ValueError, match=r"outside 0\.\.1"):
        make_hint("a b", Sample("s", "v.mp4", "Q?", "7", "number"), fraction)


@pytest.mark.parametrize(
    ("fraction", "words"),
    [
        (0.0, ""),
        (0.1, "A ball rolls."),
        (0.34, "A ball rolls. It stops!"),
        (1.0, "A ball rolls. It stops! So it does."),
    ],
)
def test_sentences_by_hand(fraction: float, words: str) -> None:
    assert partial("A ball rolls.  It stops!\nSo it does.", fraction, "sentences") == words


def test_one_sentence_is_all_or_nothing() -> None:
    assert partial("A ball rolls.", 0.99, "sentences") == ""
    assert partial("A ball rolls.", 1.0, "sentences") == "A ball rolls."


def test_tokens_by_hand(tokenizer) -> None:
    """The tiny policy's tokens: It, moves, then one a byte; the last letter of a word may be two of them."""
    trace = "It moves Zebü now"
    pieces = tokenizer.convert_ids_to_tokens(tokenizer(trace)["input_ids"])
    assert pieces[:8] == ["It", "Ġmoves", "Ġ", "Z", "e", "b", "Ã", "¼"]
    shown = [partial(trace, count / len(pieces), "tokens", tokenizer) for count in range(len(pieces) + 1)]
    assert shown[:9] == ["", "It", *["It moves"] * 6, "It moves Zebü"]
    assert shown[-2:] == ["It moves Zebü", trace]


SEPARATORS = (" ", "  ", "\n", "\n\n", "\t", "\u2028", "\x1c")
WORDS = st.sampled_from(
    "It moves. 0.5 3. Dr. A. e.g. ... so! (B) ünü 猫。 x\u0301 \U0001f600? 1, \u201cno.\u201d -".split()
)
texts = st.lists(st.tuples(WORDS | st.text(max_size=5), st.sampled_from(SEPARATORS)), max_size=15).map(
    lambda pairs: "".join(word + separator for word, separator in pairs)
)


@settings(max_examples=200, deadline=None)
@given(texts, st.sampled_from(UNITS), st.floats(0.0, 1.0), st.floats(0.0, 1.0))
def test_more_of_a_trace_is_a_longer_beginning_of_whole_words(tokenizer, text, unit, one, other) -> None:
    less, more = (partial(text, fraction, unit, tokenizer).split() for fraction in sorted((one, other)))
    assert text.split()[: len(more)] == more
    assert more[: len(less)] == less


@settings(max_examples=200, deadline=None)
@given(texts, st.sampled_from(UNITS), st.floats(0.0, 1.0, exclude_max=True))
def test_nothing_at_0_all_at_1_and_never_all_before(tokenizer, text, unit, fraction) -> None:
    assert partial(text, 0.0, unit, tokenizer) == ""
    assert partial(text, 1.0, unit, tokenizer) == " ".join(text.split())
    assert len(partial(text, fraction, unit, tokenizer).split()) < max(1, len(text.split()))


@settings(max_examples=200, deadline=None)
@given(texts, st.floats(0.0, 1.0, exclude_max=True))
def test_the_share_of_the_tokens_is_the_one_asked_for(tokenizer, text, fraction) -> None:
    """The words shown have no more tokens than asked for; with the next word they would have more."""
    words = text.split()

    def tokens(count):
        return len(tokenizer(" ".join(words[:count]))["input_ids"])

    asked = math.ceil(fraction * tokens(len(words)) - 1e-9)
    shown = len(partial(text, fraction, "tokens", tokenizer).split())
    assert shown == 0 or tokens(shown) <= asked
    assert shown >= len(words) - 1 or tokens(shown + 1) > asked
