"""The reward of a response: format plus accuracy, each 0 or 1 (arXiv:2506.07464, Appendix B).

format: the whole response is one `<think>...</think>` and one `<answer>...</answer>`, white space between and around
them; tags are lower-case, either block may be empty.
accuracy: the answer block matches the sample's ground truth by the rule of its problem type. It may be 1 without the
format, but only if there is exactly one `<answer>...</answer>` block and nothing but white space follows it: text after
`</answer>` makes the answer void, because a policy that may go on writing there learns to hedge.

To add a problem type: name it in `storage.records.ProblemType`, write its matcher, add both to the tables below.
"""

from __future__ import annotations

import logging
import math
import re
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from typing import Final

from stages.prompts import option_letter
from storage.records import ProblemType, Sample


@dataclass(frozen=True, slots=True)
class Reward:
    """A response's reward and its parts.

    total: sum of the parts that apply, 0 to `max_reward` of the problem type.
    format, accuracy: 0.0 or 1.0.
    iou: 0.0 to 1.0, or None where the problem type asks for no span (all three of today).
    predicted_answer: the answer block without surrounding white space; None if no block is accepted.
    """

    total: float
    format: float
    accuracy: float
    iou: float | None
    predicted_answer: str | None


def grade(response: str, sample: Sample) -> Reward:
    """Grades one response.

    Raises ValueError for a problem type without a matcher, and for a multiple-choice answer that names no option.
    """
    match = _MATCHERS.get(sample.problem_type)
    if match is None:
        raise ValueError(
            f"sample_id={sample.sample_id!r}: no reward for problem_type={sample.problem_type!r}; "
            f"use one of {', '.join(_MATCHERS)}, or add a matcher to stages/rewards.py"
        )
    predicted = extract_answer(response)
    accuracy = float(predicted is not None and match(predicted, sample))
    format_reward = float(has_format(response))
    return Reward(format_reward + accuracy, format_reward, accuracy, None, predicted)


def max_reward(problem_type: ProblemType) -> float:
    """The largest total that a response can earn: format 1 + accuracy 1.

    Raises ValueError for a problem type without a matcher.
    """
    if problem_type not in _MATCHERS:
        raise ValueError(f"no reward for problem_type={problem_type!r}; use one of {', '.join(_MATCHERS)}")
    return 2.0


_FORMAT = re.compile(r"\s*<think>.*</think>\s*<answer>.*</answer>\s*", re.DOTALL)
_TAGS = ("<think>", "</think>", "<answer>", "</answer>")


def has_format(response: str) -> bool:
    """Whether the whole response is one think block and one answer block, in this order, and nothing else."""
    return all(response.count(tag) == 1 for tag in _TAGS) and _FORMAT.fullmatch(response) is not None


def extract_answer(response: str) -> str | None:
    """The text of the only answer block, stripped; None if there is none, more than one, or text after it."""
    if response.count("<answer>") != 1 or response.count("</answer>") != 1:
        return None
    before, _, after = response.partition("</answer>")
    _, opened, answer = before.partition("<answer>")
    return answer.strip() if opened and not after.strip() else None


# Multiple choice

_LABEL = r"(?:\(([A-Za-z])\)[.:]?|([A-Za-z])[.:)])"


def _matches_choice(predicted: str, sample: Sample) -> bool:
    """Whether `predicted` names the right option; readings are tried from the most explicit to the least.

    A letter (`B`, `b`); a label (`(B)`, `B.`, `B)`, `B:`), alone or with its own option's text; an option's text; a
    bare letter with its own option's text. A letter with any other text, a second letter for one, is no answer.
    """
    texts = {option_letter(i): _plain(option) for i, option in enumerate(sample.options)}
    if sample.answer not in texts and (texts or not re.fullmatch("[A-Z]", sample.answer)):
        raise ValueError(
            f"sample_id={sample.sample_id!r}: answer {sample.answer!r} names none of its {len(texts)} options; "
            "store the capital letter of the right option"
        )
    if alone := re.fullmatch(rf"[A-Za-z]|{_LABEL}", predicted):
        return _letter_in(alone.group()) == sample.answer
    if (labelled := re.match(_LABEL, predicted)) and _own_text(labelled, predicted, texts):
        return _letter_in(labelled.group()) == sample.answer
    if _plain(predicted) in texts.values():
        return _plain(predicted) == texts[sample.answer]
    bare = re.match(r"[A-Za-z](?=\s)", predicted)
    return bare is not None and _own_text(bare, predicted, texts) and _letter_in(bare.group()) == sample.answer


def _letter_in(label: str) -> str:
    return label.strip("().:").upper()


def _own_text(label: re.Match[str], predicted: str, texts: dict[str, str]) -> bool:
    return texts.get(_letter_in(label.group())) == _plain(predicted[label.end() :])


def _plain(text: str) -> str:
    """`text` without case, repeated white space and a final full stop; options may differ in anything else."""
    return " ".join(text.casefold().split()).removesuffix(".")


# Short text

_PUNCTUATION = re.escape(".,;:!?…\"'`´“”‘’«»()[]{}<>*_-–—")
# A leading sign or decimal point belongs to its number: "-5" is not "5".
_LEADING = re.compile(rf"^(?:(?![-.]{{0,2}}\d)[{_PUNCTUATION}])+")
_TRAILING = re.compile(rf"(?<![{_PUNCTUATION}])[{_PUNCTUATION}]+$")
ARTICLES: Final = frozenset({"a", "an", "the"})


def normalise_text(text: str) -> str:
    """`text` without case, surrounding punctuation, articles and repeated white space; otherwise unchanged.

    An article is a word before another word, so the last word of "vitamin A" stays.
    """
    stripped = unicodedata.normalize("NFC", text).casefold().strip()
    stripped = _TRAILING.sub("", _LEADING.sub("", stripped)) or stripped
    words = stripped.split()
    return " ".join([word for word in words[:-1] if word not in ARTICLES] + words[-1:])


def _matches_text(predicted: str, sample: Sample) -> bool:
    return bool(predicted) and normalise_text(predicted) == normalise_text(sample.answer)


# Number

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
    "|halves|squared|cubed|pi|plus|minus|times|over|by|point|to|or|and|out"
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
    words from zero to ninety-nine. A percent sign or up to three words of unit may follow.
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


def _matches_number(predicted: str, sample: Sample) -> bool:
    """Whether both are the same number, exactly; "50%" equals both 50 and 0.5."""
    left, right = read_number(predicted), read_number(sample.answer)
    if left is None or right is None:
        return _same_expression(predicted, sample.answer)
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


_MATCHERS: dict[ProblemType, Callable[[str, Sample], bool]] = {
    "multiple_choice": _matches_choice,
    "number": _matches_number,
    "short_text": _matches_text,
}
