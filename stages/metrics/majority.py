"""Majority vote over the responses to one sample (self-consistency, arXiv:2203.11171)."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Sequence

from stages.choice import same_choice
from stages.number import read_number
from stages.prompts import option_letter
from stages.short_text import normalise_text
from storage.records import Sample


def majority(ballots: Sequence[str | None], scores: Sequence[float]) -> float:
    """The score of the answer that most responses gave; None is no vote, and without votes the score is 0.

    `scores` are those of the responses, equal for equal ballots. Of answers with as many votes each is as likely the
    vote's outcome, so the result is the mean of theirs.
    """
    votes = Counter(ballot for ballot in ballots if ballot is not None)
    most = max(votes.values(), default=0)
    winners = [scores[ballots.index(ballot)] for ballot, number in votes.items() if number == most]
    return sum(winners) / len(winners) if winners else 0.0


def ballot(answer: str | None, sample: Sample) -> str | None:
    """`answer` in one spelling: the letter of the option that it names, a number's value, else its normalised text."""
    if answer is None:
        return None
    letters = [option_letter(i) for i in range(len(sample.options))]
    for letter in letters:
        if same_choice(answer, dataclasses.replace(sample, answer=letter)):
            return letter
    number = read_number(answer) if sample.problem_type == "number" else None
    return str(number) if number else normalise_text(answer)
