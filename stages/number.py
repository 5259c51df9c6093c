"""Numbers as people and models write them, read exactly and compared."""

from __future__ import annotations

import logging
import math
import re
from dataclasses import dataclass
from fractions import Fraction
from typing import Final

_ONES = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]
_TEENS = [
    "ten",
    "eleven",
    "twelve",
    *(f"{stem}teen" for stem in ("thir", "four", "fif", "six", "seven", "eigh", "nine")),
]
_TENS = ["twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"]
NUMBER_WORDS: Final[dict[str, int]] = {word: value for value, word in enumerate(_ONES + _TEENS)} | {
    f"{ten} {one}" if index else ten: 10 * tens + index
    for tens, ten in enumerate(_TENS, start=2)
    for index, one in enumerate(_ONES)
}
# Words that change the value of the number before them are no units.
_NO_UNIT = re.compile(
    "(?:dozen|hundred|thousand|million|billion|trillion|half|third|quarter|fourth|fifth|sixth|seventh|eighth|ninth|tenth)s?"
    "|halves|k|bn|squared|cubed|pi|plus|minus|times|over|by|point|to|or|and|out"
)
_FRACTION = re.compile(r"([+-]?)\s*(?:(\d+)\s+)?(\d+)\s*/\s*(\d+)")
_DECIMAL = re.compile(r"([+-]?)\s*((?:(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d*)?|\.\d+)(?:e[+-]?\d{1,2})?)")
_LONGEST = 64


@dataclass(frozen=True, slots=True)
class Number:
    """A number as written: its exact value, and whether a percent sign follows it."""

    value: Fraction
    percent: bool


def read_number(text: str) -> Number | None:
    """The one finite number that `text` is; None if it is anything else.

    Reads digits of any script, thousands commas, decimals, exponents below 100, fractions, mixed numbers, and number
    words from zero to ninety-nine. A percent sign or up to three words of unit may follow; units are not compared.
    """
    text = text.casefold().replace("\u2212", "-").replace("\\%", "%").strip().removesuffix(".").strip("$").strip()
    if len(text) > _LONGEST:
        return None
    if split := _split_digits(text) or _split_words(text):
        value, rest = split
        if rest in ("%", "percent", "per cent"):
            return Number(value, True)
        if _is_unit(rest):
            return Number(value, False)
    return None


def _split_digits(text: str) -> tuple[Fraction, str] | None:
    if found := _FRACTION.match(text):
        sign, whole, numerator, denominator = found.groups()
        if int(denominator) == 0:
            return None
        value = int(whole or 0) + Fraction(int(numerator), int(denominator))
    elif found := _DECIMAL.match(text):
        sign, value = found.group(1), Fraction(found.group(2).replace(",", ""))
    else:
        return None
    return -value if sign == "-" else value, text[found.end() :].strip()


def _split_words(text: str) -> tuple[Fraction, str] | None:
    words = text.replace("-", " ").split()
    for count in (2, 1):
        value = NUMBER_WORDS.get(" ".join(words[:count]))
        if value is not None:
            return Fraction(value), " ".join(words[count:])
    return None


def _is_unit(text: str) -> bool:
    words = text.split()
    return len(words) <= 3 and all(
        (word[0].isalpha() or word[0] == "°")
        and all(c in "°/²³." or (c.isalpha() and not c.isnumeric()) for c in word)
        and not _NO_UNIT.fullmatch(word)
        and word not in NUMBER_WORDS
        for word in words
    )


def same_number(predicted: str, answer: str) -> bool:
    """Whether both are the same number, exactly; "50%" equals both 50 and 0.5."""
    left, right = read_number(predicted), read_number(answer)
    if left is None or right is None:
        return _same_expression(predicted, answer)
    if left.percent == right.percent:
        return left.value == right.value
    percent, plain = (left.value, right.value) if left.percent else (right.value, left.value)
    return plain in (percent, percent / 100)


_EXPRESSION = re.compile(
    r"(?:[0-9.+*/(){}^-]|(?<![0-9]) |(?<=[0-9]) (?![0-9])|\\(?:[dt]?frac|sqrt|times|cdot|div|pi)(?![a-z]))+"
)


def _same_expression(predicted: str, answer: str) -> bool:
    """Whether two arithmetic expressions, such as `\\frac{3}{4}`, have the same finite value, to twelve digits."""
    if (found := _expression(predicted)) is None or (truth := _expression(answer)) is None:
        return False
    return math.isclose(found, truth, rel_tol=1e-12, abs_tol=1e-12)


def _expression(text: str) -> float | None:
    """The value of `text` as math-verify parses it; None for what is not plain arithmetic or has no finite real value.

    math-verify's timeouts are off: they are signals, which fail outside the main thread. So the input is bounded
    instead (alphabet, length, brackets, one power), and its value is computed, not `verify`d: that simplifies
    symbols, and `\\sqrt{\\sqrt{2/7.5}*\\sqrt{\\sqrt{2}}}` takes it minutes.
    """
    if (number := read_number(text)) is not None:
        return float(number.value)
    text = " ".join(text.strip().strip("$").split())
    if (
        len(text) > _LONGEST
        or not _EXPRESSION.fullmatch(text)
        or text.count("(") > 4
        or text.count("{") > 8
        or text.count("^") > 1
        or ("^" in text and not re.search(r"\^(?:[0-9]|\{[0-9]{1,2}\})(?![0-9.])", text))
    ):
        return None
    # Imported here: sympy takes over a second to load, and few answers come this far.
    from math_verify import LatexExtractionConfig, parse

    logging.getLogger("math_verify").setLevel(logging.ERROR)  # it warns that timeouts are off
    found = parse(f"${text}$", [LatexExtractionConfig()], fallback_mode="no_fallback", parsing_timeout=None)
    if not found or not (value := found[0].evalf(20)).is_Number or not value.is_finite:
        return None
    return float(value)
