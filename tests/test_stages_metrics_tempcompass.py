"""TempCompass' three rules, each beside the strict reading."""

import dataclasses

import pytest

from stages.metrics.tempcompass import tempcompass
from stages.rewards import grade
from storage.records import Sample

CHOICE = Sample("s", "v", "Which?", "B", "multiple_choice", ("a cup", "a ball"), domain="multi-choice")
CAPTIONS = dataclasses.replace(CHOICE, domain="caption_matching")
YES_NO = Sample("s", "v", "Does it roll?", "no", "yes_no", domain="yes_no")


@pytest.mark.parametrize(
    ("sample", "answer", "found", "strict"),
    [
        (CHOICE, "B", "B", True),
        (CHOICE, "B. a cube", "B", False),  # whatever is behind the label
        (CHOICE, "B) it rolls", "B", False),
        (CHOICE, "A. a ball", "A", False),
        (CHOICE, "D", "D", False),
        (CHOICE, "b", None, True),  # what no rule matches goes to a model there
        (CHOICE, "(B)", None, True),
        (CHOICE, "B: a ball", None, True),
        (CHOICE, "a ball", None, True),
        (CHOICE, "The answer is B", None, False),
        (CHOICE, "", None, False),
        (CAPTIONS, "B", "B", True),
        (CAPTIONS, "B.", "B", True),
        (CAPTIONS, "B. a ball", "B", True),
        (CAPTIONS, "a ball", "B", True),
        (CAPTIONS, "Option 2) a ball", "B", False),
        (CAPTIONS, "A", "A", False),
        (CAPTIONS, "B. a cup", None, False),
        (CAPTIONS, "B) it rolls", None, False),
        (YES_NO, "no", "no", True),
        (YES_NO, "No, it lies there", "no", False),
        (YES_NO, "nothing rolls", "no", False),
        (YES_NO, "Yes.", "yes", False),
        (YES_NO, "it does not", None, False),
    ],
)
def test_a_rule_for_each_task(sample, answer, found, strict):
    response = f"<think>Yes?</think><answer>{answer}</answer>"
    assert tempcompass(response, sample) == (found, float(found == sample.answer))
    assert grade(response, sample).accuracy == strict
