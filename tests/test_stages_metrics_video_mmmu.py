"""Video-MMMU's reading of a letter and of an open answer, beside the strict one."""

import pytest

from stages.metrics.video_mmmu import video_mmmu
from stages.rewards import grade
from storage.records import Sample

CHOICE = Sample("s", "v", "Which?", "B", "multiple_choice", ("RNA", "a ball", "some DNA", "a shoe"))
NUMBER = Sample("s", "v", "How many?", "1234.5", "number")
TEXT = Sample("s", "v", "What?", "blue light", "short_text")
LETTER = Sample("s", "v", "Which vitamin?", "K", "short_text")


@pytest.mark.parametrize(
    ("answer", "found", "strict"),
    [
        ("B", "B", True),
        ("b", None, True),
        ("A. no, B. it is", "B", False),  # the last full stop
        ("B. it is, not (A) or C:", "B", False),  # a full stop before a colon, that before brackets
        ("C: no. (A) no", "C", False),
        ("(A) or (B)", "B", False),
        ("DNA. So B", "A", False),  # the A that ends a word
        ("A or B", "B", False),
        ("A cup", "A", False),
        ("USA or B", "B", False),
        ("USA is", "A", False),
        ("a ball", None, True),  # too short for its text to count
        ("what rolls there is a ball", "B", False),
        ("not rna, what rolls is a ball", "B", False),
        ("not a ball, it must be some dna", "C", False),
        ("what rolls there is a cube", None, False),
        ("", None, False),
    ],
)
def test_a_letter_by_the_mark_behind_it(answer, found, strict):
    response = f"<think>C.</think><answer>{answer}</answer>"
    assert video_mmmu(response, CHOICE) == (found, float(found == "B"))
    assert grade(response, CHOICE).accuracy == strict


@pytest.mark.parametrize(
    ("sample", "answer", "official", "strict"),
    [
        (NUMBER, "1234.5", True, True),
        (NUMBER, "1,234.5", True, True),
        (NUMBER, "1234.501", True, False),  # two decimals
        (NUMBER, "1234.5 or 7", True, False),
        (NUMBER, "there are 1234.5 of them", True, False),
        (NUMBER, "1234.5 rows, so it is 7", False, False),  # behind a key: "it is 7"
        (NUMBER, "x = 1.2345e3", True, False),
        (NUMBER, "1234.5, I think", False, False),  # a comma follows
        (NUMBER, "it is 7\nthe total is 1234.5", True, False),  # of each line
        (NUMBER, "12345", False, False),
        (TEXT, "Blue light.", True, True),
        (TEXT, "Not blue light but red", True, False),  # holds it
        (TEXT, "blue light is red", False, False),
        (TEXT, "light", False, False),
        (LETTER, "K", True, True),
        (LETTER, "vitamin K", True, False),
        (LETTER, "Kale", False, False),  # one character needs a space beside it
        (TEXT, "", False, False),
    ],
)
def test_an_open_answer_by_what_it_holds(sample, answer, official, strict):
    response = f"<think>x</think><answer>{answer}</answer>"
    assert video_mmmu(response, sample) == (answer or None, float(official))
    assert grade(response, sample).accuracy == strict
