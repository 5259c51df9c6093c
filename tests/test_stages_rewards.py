"""Rewards: every row of answers.toml, and what must hold for any response."""

import threading
import time
import tomllib
import typing
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stages.blocks import block
from stages.config import RewardsConfig
from stages.number import NUMBER_WORDS, read_number
from stages.rewards import Reward, grade, max_reward
from stages.short_text import normalise_text
from storage.records import ProblemType, Sample

TABLE = tomllib.loads(Path(__file__).with_name("answers.toml").read_text(encoding="utf-8"))["sample"]
COLOURS = Sample("colours", "v.avi", "Which?", "B", "multiple_choice", ("red ball", "blue ball", "Blue ball on a box"))
WORD = Sample("word", "v.avi", "What?", "the Red Ball", "short_text")
SENTENCE = Sample("sentence", "v.avi", "What?", "A ball rolls.", "free_text")
YES = Sample("yes", "v.avi", "Is it red?", "yes", "yes_no")
GROUNDED = Sample("grounded", "v.avi", "Which?", "B", "grounded_choice", COLOURS.options, ((0.5, 1.5),))
SPAN = Sample("span", "v.avi", "When?", "0.5 to 1.5", "temporal_grounding", spans=((0.5, 1.5),))


def number(answer: str) -> Sample:
    return Sample(f"number {answer}", "v.avi", "How many?", answer, "number")


def rows():
    """Each row of the table: its sample, the whole response, and what it must earn."""
    for given_sample in TABLE:
        options, spans = (
            tuple(map(make, given_sample.get(name, ()))) for name, make in (("options", str), ("spans", tuple))
        )
        name, answer, problem_type = (given_sample[key] for key in ("name", "answer", "problem_type"))
        sample = Sample(name, "v.avi", "What?", answer, problem_type, options, spans)
        for text, *rewards, _ in given_sample["rows"]:
            expected = [None if part == "-" else float(Fraction(part)) for part in rewards]
            yield pytest.param(sample, given_sample["form"].replace("{}", text), expected, id=f"{name}: {text[:40]}")


ROWS = list(rows())


@pytest.mark.parametrize(("sample", "response", "expected"), ROWS)
def test_a_response_earns_what_the_table_says(sample: Sample, response: str, expected: list[float | None]) -> None:
    reward = grade(response, sample)
    assert [reward.format, reward.accuracy, reward.iou] == pytest.approx(expected)
    assert reward.total == pytest.approx(sum(part for part in expected if part is not None))


def test_the_table_has_every_problem_type_and_says_why() -> None:
    assert {sample["problem_type"] for sample in TABLE} == set(typing.get_args(ProblemType))
    assert all(len(row) == 5 and row[4] for sample in TABLE for row in sample["rows"])
    assert len(ROWS) >= 400


def test_a_block_is_what_stands_in_its_only_tags() -> None:
    assert block("<answer> B </answer>\n", "answer") == "B"
    assert block("<answer></answer>", "answer") == ""
    assert block("<answer>B</answer> and more", "answer") is None
    assert block("<answer>A<answer>B</answer>", "answer") is None
    assert block("<answer>A</answer>B</answer>", "answer") is None
    assert block("<answer>B</answer> <glue>1</glue>", "answer") is None
    assert block("<answer>B</answer> <glue>1</glue>", "answer", behind=("glue",)) == "B"
    assert grade("B", COLOURS).predicted_answer is None
    assert grade("<answer> B </answer>", COLOURS).predicted_answer == "B"


SAMPLES = [COLOURS, GROUNDED, YES, number("3"), WORD, SENTENCE, SPAN]
LARGEST = {"temporal_grounding": 3, "grounded_choice": 3}


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda s: s.problem_type)
def test_the_largest_reward_can_be_earned(sample: Sample) -> None:
    response = f"<think>x</think><answer>{sample.answer}</answer>"
    if sample is GROUNDED:
        response += "<glue>[(0.5, 1.5)]</glue>"
    assert grade(response, sample).total == max_reward(sample.problem_type) == LARGEST.get(sample.problem_type, 2)


def test_weights_count_each_part_of_a_span_reward() -> None:
    config = RewardsConfig(format_weight=0.5, accuracy_weight=2.0, iou_weight=4.0)
    found = grade("<think>x</think><answer>1.0 to 1.5</answer>", SPAN, config)
    assert found.total == 0.5 + 2.0 + 4.0 * 0.5
    assert max_reward("temporal_grounding", config) == 6.5
    assert max_reward("number", config) == 2.5


def test_without_an_answer_the_iou_is_zero_and_other_types_have_none() -> None:
    assert grade("0.5 to 1.5", SPAN).iou == 0.0
    assert grade("<answer>3</answer>", number("3")).iou is None


def test_an_unknown_problem_type_is_refused() -> None:
    sample = Sample("s7", "v.avi", "Where?", "1-2", "grounding")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"s7.*grounding.*multiple_choice"):
        grade("", sample)
    with pytest.raises(ValueError, match="grounding"):
        max_reward(sample.problem_type)


@pytest.mark.parametrize("answer", ["D", "b", "AB", "", "red ball"])
def test_a_truth_that_names_no_option_is_refused(answer: str) -> None:
    sample = Sample("s7", "v.avi", "Which?", answer, "multiple_choice", ("red ball", "blue ball", "box"))
    with pytest.raises(ValueError, match=r"s7.*names none of its 3 options"):
        grade("<answer>B</answer>", sample)


@pytest.mark.parametrize("answer", ["Yes", "maybe", "A", ""])
def test_a_truth_that_is_neither_yes_nor_no_is_refused(answer: str) -> None:
    with pytest.raises(ValueError, match=r"s7.*is neither"):
        grade("<answer>yes</answer>", Sample("s7", "v.avi", "Is it?", answer, "yes_no"))


LONG = 300_000


@pytest.mark.parametrize(
    "filler",
    [
        "a",
        " ",
        "0.5 to 1.5, ",
        "<think>",
        "</think> ",
        "<answer>",
        ".",
        "-",
        "-.",
        "9",
        "1,000,",
        "1 ",
        "(",
        "{",
        "A. ",
        "the ",
        '"',
    ],
)
@pytest.mark.parametrize("sample", SAMPLES, ids=lambda s: s.problem_type)
def test_long_responses_take_linear_time(filler: str, sample: Sample) -> None:
    body = filler * (LONG // len(filler))
    start = time.process_time()
    for response in (
        body,
        f"<think>{body}</think><answer>{body}</answer>",
        f"{body}<think>x</think>{body}<answer>B",
        f"<think>x</think><answer>{body}5",
        f"<think>x</think><answer>{body}5</answer>",
        f"<think>x</think><answer>{body}5</answer><glue>{body}</glue>",
    ):
        assert grade(response, sample).accuracy == 0.0
    assert time.process_time() - start < 2.0  # quadratic time would be minutes


def test_expressions_are_graded_outside_the_main_thread() -> None:
    rewards: list[Reward] = []
    thread = threading.Thread(target=lambda: rewards.append(grade("<answer>\\frac{6}{2}</answer>", number("3"))))
    thread.start()
    thread.join()
    assert [reward.accuracy for reward in rewards] == [1.0]


@settings(deadline=None)  # the first example imports sympy
@given(st.text(alphabet=st.sampled_from("0123456789+-*/(){}^. \\sqrtfacpi$,%"), max_size=24))
def test_any_arithmetic_is_graded_without_an_error(answer: str) -> None:
    assert grade(f"<answer>{answer}</answer>", number("3")).accuracy in (0.0, 1.0)


@given(st.text(), st.sampled_from([COLOURS, number("3"), WORD]))
def test_a_wrapped_answer_always_has_the_format_and_a_consistent_total(answer: str, sample: Sample) -> None:
    reward = grade(f"<think>x</think> <answer>{answer}</answer>", sample)
    assert reward.format == 1.0  # st.text never spells a tag
    assert reward.total == reward.format + reward.accuracy
    assert grade(f"<think>x</think> <answer>{answer}</answer>x", sample).total == 0.0


@given(st.fractions(min_value=-(10**9), max_value=10**9, max_denominator=1000))
def test_a_fraction_is_read_as_it_is_written(value: object) -> None:
    number = read_number(str(value))
    assert number is not None
    assert number.value == value
    assert not number.percent


@given(st.integers(-(10**12), 10**12))
def test_thousands_commas_change_nothing(value: int) -> None:
    assert read_number(f"{value:,}") == read_number(f"{value}") == read_number(f"{value}.00")


def test_number_words_run_from_zero_to_ninety_nine() -> None:
    assert sorted(NUMBER_WORDS.values()) == list(range(100))
    known = {"zero": 0, "three": 3, "eleven": 11, "thirteen": 13, "fifteen": 15, "twenty": 20, "forty two": 42}
    assert {word: NUMBER_WORDS[word] for word in known} == known


@given(st.text(alphabet=st.sampled_from("abcXYZ \u00e9\u00df"), min_size=1).filter(str.strip))
def test_quotes_and_punctuation_around_words_change_nothing(plain: str) -> None:
    assert normalise_text(f'  "{plain}!" ') == normalise_text(plain)
