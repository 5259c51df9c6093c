"""Answers as the benchmarks' own scorers read them: more forgiving than stages/rewards.py, the strict reading.

Each scorer takes a response and its sample and returns the answer that it found, None if none, and its score, 0 to 1.
Where a public scorer guesses at random, or leaves a response out, for want of an answer, the score here is 0.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from stages.metrics.mean_relative_accuracy import mean_relative_accuracy
from stages.number import read_number
from stages.prompts import option_letter
from stages.rewards import grade
from storage.records import Sample

Scorer = Callable[[str, Sample], tuple[str | None, float]]
_BLOCK = re.compile(r"<answer>(.*?)</answer>", re.DOTALL)


def answer_text(response: str) -> str:
    """The first answer block, whatever else there is; without one all that follows the reasoning."""
    found = _BLOCK.search(response)
    return (found.group(1) if found else response.rpartition("</think>")[2]).strip()


def own_rule(response: str, sample: Sample) -> tuple[str | None, float]:
    """Our rule of the problem type, on `answer_text`: for data without a scorer of its own."""
    answer = answer_text(response)
    return answer or None, grade(f"<answer>{answer}</answer>", sample).accuracy


def first_character(response: str, sample: Sample) -> tuple[str | None, float]:
    """SEED-Bench-R1's: the first character of the first answer block is the right letter.

    Theirs asks math-verify before, with the solution `<answer>A.</answer>`, in which that finds no expression: it
    never says yes (a test holds this), so it is not asked here.
    """
    found = _BLOCK.search(response)
    letter = found.group(1).strip()[:1] if found else ""
    return letter or None, float(letter == sample.answer)


def lone_letter(response: str, sample: Sample) -> tuple[str | None, float]:
    """The first capital that stands alone in `answer_text` and is an option's letter, as Video-MME's scorer and most
    others read it; questions without options by `own_rule`."""
    if not sample.options:
        return own_rule(response, sample)
    last = option_letter(len(sample.options) - 1)
    found = re.search(rf"\b[A-{last}]\b", answer_text(response))
    return (found.group(), float(found.group() == sample.answer)) if found else (None, 0.0)


def first_word(response: str, sample: Sample) -> tuple[str | None, float]:
    """VSI-Bench's: the first word, without its full stop, is the letter in either case, or a number that earns its mean
    relative accuracy with `<=`."""
    word = answer_text(response).split(" ")[0].rstrip(".").strip()
    if sample.options:
        return word or None, float(word.lower() == sample.answer.lower())
    predicted, truth = read_number(word), read_number(sample.answer)
    score = mean_relative_accuracy(predicted.value, truth.value) if predicted and truth else 0.0
    return word or None, score
