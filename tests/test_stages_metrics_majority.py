"""Votes, and when two answers are one."""

import pytest

from stages.metrics.majority import ballot, majority
from storage.records import Sample

CHOICE = Sample("s", "v", "Which?", "B", "multiple_choice", ("a cup", "a ball", "a book"))
NUMBER = Sample("s", "v", "How many?", "4", "number")
TEXT = Sample("s", "v", "What?", "ball", "short_text")


@pytest.mark.parametrize(
    ("ballots", "scores", "expected"),
    [
        (["A", "B", "A"], [0, 1, 0], 0.0),
        (["A", "B", "B"], [0, 1, 1], 1.0),
        (["A", "B"], [0, 1], 0.5),  # a tie: either, with the same chance
        (["A", "B", "C"], [0, 1, 0], 1 / 3),
        ([None, None, "B"], [0, 0, 1], 1.0),  # no answer is no vote
        ([None], [0], 0.0),
        ([], [], 0.0),
    ],
)
def test_the_vote_by_hand(ballots, scores, expected):
    assert majority(ballots, scores) == pytest.approx(expected)


def test_different_spellings_of_one_answer_are_one_ballot():
    assert {ballot(text, CHOICE) for text in ("B", "b", "(B)", "B. a ball", "a ball", "A Ball")} == {"B"}
    assert ballot("4", NUMBER) == ballot("four", NUMBER) == ballot("4.0", NUMBER) != ballot("5", NUMBER)
    assert ballot("The ball.", TEXT) == ballot("ball", TEXT) != ballot("balls", TEXT)
    assert ballot(None, CHOICE) is None


def test_a_wrong_answer_has_a_ballot_too():
    assert ballot("C", CHOICE) == ballot("a book", CHOICE) == "C"
    assert ballot("a shoe", CHOICE) == "shoe"
