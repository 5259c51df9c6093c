"""Answers as the benchmarks' own scorers read them: more forgiving than stages/rewards.py, the strict reading.

Each scorer takes a response and its sample and returns the answer that it found, None if none, and its score, 0 to 1.
The public scorers take the whole response; here they get `answer_text`, since ours are asked to reason first.
Where one of them guesses at random, leaves a response out, or asks a model, for want of an answer, the score here is 0.

TempCompass and Video-MMMU have several rules: stages/metrics/tempcompass.py, stages/metrics/video_mmmu.py.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

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
    """The first capital that stands alone and is an option's letter; questions without options by `own_rule`.

    No benchmark's own: for those whose scorer reads no text (NExT-GQA), or has a model read it (MMVU).
    """
    if not sample.options:
        return own_rule(response, sample)
    last = option_letter(len(sample.options) - 1)
    found = re.search(rf"\b[A-{last}]\b", answer_text(response))
    return (found.group(), float(found.group() == sample.answer)) if found else (None, 0.0)


def first_capital(letters: str, *, ignored: Sequence[str] = ()) -> Scorer:
    """The scorer that takes the first of `letters`, a capital anywhere, so also within a word ("Because" is B).

    ignored: phrases that are deleted before. Video-MME's scorer (BradyFU/Video-MME, evaluation/eval_your_results.py)
    and LongVideoBench's (EvolvingLMMs-Lab/lmms-eval, lmms_eval/tasks/longvideobench/utils.py) delete more of them, such
    as "The answer is", which hold none of the letters.
    """

    def scorer(response: str, sample: Sample) -> tuple[str | None, float]:
        text = answer_text(response)
        for phrase in ignored:
            text = text.replace(phrase, "")
        found = next((character for character in text if character in letters), None)
        return found, float(found == sample.answer)

    return scorer


def option_word(response: str, sample: Sample) -> tuple[str | None, float]:
    """MVBench's: the first word of the first line is `b`, with or without either bracket and full stops, or holds
    `(b)`, in either case (OpenGVLab/Ask-Anything, video_chat2/mvbench.ipynb, `check_ans`).

    Theirs asks whether the word is a part of `(b)`, so that an empty answer and a bracket alone are right; not here.
    """
    word = answer_text(response).split("\n")[0].split(" ")[0].lower()
    letter = sample.answer.lower()
    right = word.replace(".", "") in {letter, f"({letter}", f"{letter})", f"({letter})"} or f"({letter})" in word
    return word.strip("().") or None, float(right)


def first_word(response: str, sample: Sample) -> tuple[str | None, float]:
    """VSI-Bench's: the first word, without its full stop, is the letter in either case, or a number that earns its mean
    relative accuracy with `<=`."""
    word = answer_text(response).split(" ")[0].rstrip(".").strip()
    if sample.options:
        return word or None, float(word.lower() == sample.answer.lower())
    predicted, truth = read_number(word), read_number(sample.answer)
    score = mean_relative_accuracy(predicted.value, truth.value) if predicted and truth else 0.0
    return word or None, score
