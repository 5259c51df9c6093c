r"""The leak test: whether a text gives a sample's answer away (METHOD.md, section 5).

The answer is looked for as whole words, in any case, whatever punctuation or articles stand between them:

- number: its digits ("3", "3.0", "1,000") and, from 0 to 99, its words; the sign is ignored.
- short text: its words, numbers among them in both spellings.
- yes or no: the word, but "no" before another word ("no one", "no longer") only where it is named as an answer is.
- options: the right option's text, and its letter only where it is a label: `(A)`, `A.`, `A)`, `A:`, quoted or
  emphasised (`"A"`, `**A**`, `[A]`), `answer is A` (or `must be`, `answer: A`; option, choice, letter), `choose A`,
  `A is correct`. The article is no leak: a small "a" counts after these words only if no word follows it.
- time spans: a span's start and end, wherever they stand; rounded or spelled ones only in order and at most 24
  characters without a digit apart; in seconds or as minutes:seconds.

An answer of a single letter is treated as a letter for every problem type. Words are runs of letters and digits, so in
scripts written without spaces an answer inside a longer run is not found.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence
from decimal import Decimal, localcontext
from fractions import Fraction
from functools import lru_cache

from stages.number import NUMBER_WORDS, read_number
from stages.short_text import ARTICLES
from storage.records import Sample

_START, _END = r"(?<![^\W_])", r"(?![^\W_])"  # no letter or digit before; none after
_BETWEEN = rf"[\W_]+(?:(?:{'|'.join(sorted(ARTICLES))})[\W_]+)*"
_TOKEN = re.compile(rf"(?:\d{{1,3}}(?:,\d{{3}})+|\d+)(?:\.\d+)?{_END}|[^\W_]+")
_NAMES = r"(?:answer|option|choice|letter)(?:\W+(?:is|was|(?:must|should|would|will|can|could|has to|might)\s+be))?"
_CHOOSES = r"(?:choose|pick|select)"
_SPELLED = {value: word.replace(" ", r"[\s-]+") for word, value in NUMBER_WORDS.items()}


def leaks(text: str, sample: Sample) -> bool:
    """Whether `text` gives the answer of `sample` away."""
    return _leak_end(" ".join(_normal(text.split())), sample) is not None


def without_leak(words: Sequence[str], sample: Sample) -> list[str]:
    """The longest prefix of `words` whose text, joined by spaces, does not leak."""
    count, normal = len(words), _normal(words)
    # Every prefix that holds a leak leaks, so the longest clean one ends before the leak's last word.
    while (end := _leak_end(text := " ".join(normal[:count]), sample)) is not None:
        count = text.count(" ", 0, end)
    return list(words[:count])


def _leak_end(text: str, sample: Sample) -> int | None:
    """Where a leak of a normalised text is complete; None if there is none."""
    found = _pattern(sample).search(text)
    if found:
        return found.end()
    for span in _span_patterns(sample.spans):
        times = [time.search(text) for time in span]
        if all(times):
            return max(time.end() for time in times if time)
    return None


def _normal(words: Sequence[str]) -> list[str]:
    """NFKC, so that other widths and styles of a letter or digit count; still one word for each word."""
    return ["".join(unicodedata.normalize("NFKC", word).split()) for word in words]


@lru_cache(maxsize=1024)
def _pattern(sample: Sample) -> re.Pattern[str]:
    return re.compile("|".join(_forms(sample)) or "(?!)", re.IGNORECASE)


@lru_cache(maxsize=1024)
def _span_patterns(spans: tuple[tuple[float, float], ...]) -> list[list[re.Pattern[str]]]:
    """A span's start and end, each as it is in digits."""
    return [[re.compile(_exact_seconds(time)) for time in span] for span in spans]


def _forms(sample: Sample) -> Iterator[str]:
    answer = unicodedata.normalize("NFKC", sample.answer)
    yield from _yes_no(answer) if sample.problem_type == "yes_no" else _phrase(answer)
    number = read_number(answer)
    if number is not None and (sample.problem_type == "number" or " ".join(answer.casefold().split()) in NUMBER_WORDS):
        yield _number(number.value)
    if sample.options:
        yield from _phrase(unicodedata.normalize("NFKC", sample.options[ord(sample.answer) - ord("A")]))
    for start, end in sample.spans:
        yield rf"(?:{_seconds(start)})\D{{0,24}}(?:{_seconds(end)})"


def _phrase(text: str) -> Iterator[str]:
    """The words of `text` in order; a letter on its own as `_letter`; text without any word literally."""
    tokens = _TOKEN.findall(text)
    tokens = [token for token in tokens[:-1] if token.casefold() not in ARTICLES] + tokens[-1:]
    if not tokens and text.strip():
        yield re.escape(text.strip())
    elif len(tokens) == 1 and re.fullmatch("[A-Za-z]", tokens[0]):
        yield from _letter(tokens[0].upper())
    elif tokens:
        yield _BETWEEN.join(map(_word, tokens))


def _word(token: str) -> str:
    number = read_number(token)
    if number is not None and (token.casefold() in NUMBER_WORDS or not any(map(str.isalpha, token))):
        return _number(number.value)
    return f"{_START}{re.escape(token)}{_END}"


def _letter(letter: str) -> Iterator[str]:
    """`letter` where it can only be a label; "i.e." and "U.S." are none, and the words "a" and "I" are none."""
    capital = f"(?-i:{letter})"
    yield rf"\(\s*{letter}\s*\)"
    yield rf"{_START}(?<!\w\.){letter}(?:[):]|\.(?![^\W_]\.))"
    yield rf"[*_\"'`“‘\[{{<>]\s*{capital}\s*[*_\"'`”’\]}}<>]"
    yield rf"{_START}{capital}\W+is\W+(?:the\W+)?(?:right|correct|best|answer){_END}"
    label = f"(?-i:{letter}|{letter.lower()}(?!\\s+[*\"'`“‘]*\\w))" if letter == "A" else letter
    yield rf"\b(?:{_NAMES}|{_CHOOSES})[\s:=*_\"'`(\[]+{label}{_END}"


def _yes_no(word: str) -> Iterator[str]:
    """`word` anywhere, but "no" before another word only where it is named."""
    yield rf"{_START}{word}{_END}" if word == "yes" else rf"{_START}{word}{_END}(?!\s+\w)"
    yield rf"\b(?:{_NAMES}|{_CHOOSES})[\s:=*_\"'`(\[]+{word}{_END}"


def _number(value: Fraction) -> str:
    """Digits and, where there are any, words of |value|."""
    value = abs(value)
    forms = [_digits(value)]
    if value in _SPELLED:
        forms.append(f"{_START}{_SPELLED[int(value)]}{_END}")
    if value.denominator > 1:
        forms.append(rf"{_START}{value.numerator}\s*/\s*{value.denominator}(?!\d)")
    return f"(?:{'|'.join(filter(None, forms))})"


def _digits(value: Fraction) -> str:
    """`value` in decimal digits, with or without thousands commas and zeros at either end; '' if it does not end.

    A letter may follow ("3s"), but not stand before ("mp3"); 3 is not found in 3.5 nor in 3,500.
    """
    with localcontext(prec=200):
        decimal = Decimal(value.numerator) / Decimal(value.denominator)
        if Fraction(decimal) != value:
            return ""
        whole, _, decimals = f"{decimal:f}".partition(".")
    decimals = decimals.rstrip("0")
    whole = "0*" if whole == "0" and decimals else f"0*(?:{whole}|{int(whole):,})"
    tail = rf"\.{decimals}0*" if decimals else r"(?:\.0+)?"
    return rf"{_START}(?<!\d\.){whole}{tail}(?!\d)(?!\.\d)(?!,\d{{3}}(?!\d))"


def _seconds(time: float) -> str:
    """A time in seconds: as it is, to a tenth, to a second, spelled, and as minutes:seconds."""
    values = dict.fromkeys(Fraction(str(value)) for value in (time, round(time, 1), round(time)))
    return "|".join([*map(_number, values), _clock(round(time))])


def _exact_seconds(time: float) -> str:
    """A time in digits that say no other one."""
    digits = _digits(Fraction(str(time)))
    return f"{digits}|{_clock(int(time))}" if time == int(time) else digits


def _clock(seconds: int) -> str:
    return rf"{_START}0*{seconds // 60}:{seconds % 60:02d}(?!\d)"
