"""What the benchmarks' own scorers would say, response by response."""

import dataclasses
import string

import pytest

from stages.metrics.benchmarks import BENCHMARKS
from stages.metrics.official import answer_text, first_character, first_word, lone_letter, own_rule
from stages.rewards import grade
from storage.records import Sample

CHOICE = Sample("s", "v", "Which?", "B", "multiple_choice", ("a cup", "a ball", "a book", "a shoe"))
NUMBER = Sample("s", "v", "How far?", "2.0", "number")


@pytest.mark.parametrize(
    ("response", "answer", "score"),
    [
        ("<think>x</think><answer>B</answer>", "B", 1.0),
        ("<answer>B. a ball</answer> and more", "B", 1.0),
        ("<answer>A</answer><answer>B</answer>", "A", 0.0),
        ("<answer> B</answer>", "B", 1.0),
        ("<answer>Because it rolls</answer>", "B", 1.0),  # as forgiving as theirs
        ("<answer>b</answer>", "b", 0.0),
        ("<answer>(B)</answer>", "(", 0.0),
        ("<answer></answer>", None, 0.0),
        ("The answer is B", None, 0.0),
    ],
)
def test_seed_bench_r1_takes_the_first_character(response, answer, score):
    assert first_character(response, CHOICE) == (answer, score)


def test_math_verify_finds_nothing_in_a_letter():
    """SEED-Bench-R1's scorer asks it first, with solutions of this form; so it never says yes."""
    from math_verify import parse

    assert not any(parse(f"<answer>{letter}.</answer>", parsing_timeout=None) for letter in string.ascii_uppercase[:4])


@pytest.mark.parametrize(
    ("response", "answer", "score"),
    [
        ("<think>A?</think><answer>(B)</answer>", "B", 1.0),
        ("<think>A?</think> The answer is B.", "B", 1.0),
        ("B", "B", 1.0),
        ("<answer>E or B</answer>", "B", 1.0),  # E is no option
        ("<answer>Ball</answer>", None, 0.0),
        ("<answer>A ball</answer>", "A", 0.0),
        ("", None, 0.0),
    ],
)
def test_the_first_letter_that_stands_alone(response, answer, score):
    assert lone_letter(response, CHOICE) == (answer, score)


@pytest.mark.parametrize(
    ("response", "sample", "answer", "score"),
    [
        ("<answer>b. a ball</answer>", CHOICE, "b", 1.0),
        ("<answer>(B)</answer>", CHOICE, "(B)", 0.0),
        ("<answer>2 metres</answer>", NUMBER, "2", 1.0),
        ("<answer>2.2</answer>", NUMBER, "2.2", 0.9),  # off by exactly a tenth
        ("2.4 m", NUMBER, "2.4", 0.7),
        ("<answer>about 2</answer>", NUMBER, "about", 0.0),
        ("<answer>nan</answer>", NUMBER, "nan", 0.0),
        ("<answer></answer>", NUMBER, None, 0.0),
    ],
)
def test_vsi_bench_takes_the_first_word(response, sample, answer, score):
    assert first_word(response, sample) == (answer, pytest.approx(score))


@pytest.mark.parametrize(
    ("answer", "longvideobench", "video_mme", "mvbench", "strict"),
    [
        ("B", "B", "B", "b", True),
        ("b", None, None, "b", True),
        ("(B) a ball", "B", "B", "b", True),
        ("B.", "B", "B", "b", True),
        ("(B", "B", "B", "b", False),
        ("(b).", None, None, "b", True),
        ("B:", "B", "B", "b:", True),
        ("a ball", None, None, "a", True),  # MVBench's takes the article for an option
        ("Because it rolls", "B", "B", "because", False),
        ("An orange ball: B", "A", "A", "an", False),
        ("The answer is B", "B", "B", "the", False),
        ("Best option: C", "C", "B", "best", False),  # only LongVideoBench's forgets the B of "Best"
        ("E or B", "E", "B", "e", False),  # E is no option, and yet one of LongVideoBench's letters
        ("Answer:(B) and more", "A", "A", "answer:(b", False),
        ("b\nbecause it rolls", None, None, "b", False),
        ("(", None, None, None, False),  # right in MVBench's script, where it is a part of `(b)`
    ],
)
def test_one_letter_read_in_four_ways(answer, longvideobench, video_mme, mvbench, strict):
    response, found = f"<think>A?</think><answer>{answer}</answer>", {}
    for name in ("longvideobench", "video_mme", "mvbench"):
        found[name], score = BENCHMARKS[name].official(response, CHOICE)
        right = found[name] in ("b", "answer:(b") if name == "mvbench" else found[name] == "B"
        assert score == right, name
    assert found == {"longvideobench": longvideobench, "video_mme": video_mme, "mvbench": mvbench}
    assert grade(response, CHOICE).accuracy == strict


def test_without_a_scorer_of_its_own_data_has_our_rule_on_the_first_block():
    assert own_rule("so: <answer>a ball</answer> <answer>A</answer>", CHOICE) == ("a ball", 1.0)
    assert own_rule("<think>...</think>\ntwo", dataclasses.replace(NUMBER, answer="2")) == ("two", 1.0)
    assert own_rule("<think>2</think>", NUMBER) == (None, 0.0)


def test_the_text_of_an_answer():
    assert answer_text("<answer> A </answer> b <answer>C</answer>") == "A"
    assert answer_text("<think>a</think> b") == "b"
    assert answer_text("plain") == "plain"
