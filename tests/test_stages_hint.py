"""Hints: which trace, how much of it, and that the answer is never in it."""

import math
import time

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from stages.hint import Hint, best_trace, make_hint, reasoning
from stages.leak import leaks, without_leak
from stages.partial import partial
from stages.rewards import Reward, grade
from storage.records import Sample

CHOICE = Sample("choice", "v.avi", "Which?", "A", "multiple_choice", ("the red ball", "a blue box", "3 dogs"))
SECOND = Sample("second", "v.avi", "Which?", "B", "multiple_choice", ("the red ball", "a blue box", "3 dogs"))
THIRD = Sample("third", "v.avi", "Which?", "C", "multiple_choice", ("the red ball", "a blue box", "3 dogs"))
PLUS = Sample("plus", "v.avi", "Which sign?", "A", "multiple_choice", ("+", "-"))
SPANS = Sample("spans", "v.avi", "When?", "dancing", "short_text", spans=((3.2, 65.0),))


def number(answer: str) -> Sample:
    return Sample(f"number {answer}", "v.avi", "How many?", answer, "number")


def text(answer: str) -> Sample:
    return Sample(f"text {answer}", "v.avi", "What?", answer, "short_text")


def reward(total: float, format_reward: float = 1.0) -> Reward:
    return Reward(total, format_reward, total - format_reward, None, None)


# sample, texts that leak, texts that do not
LEAKS = [
    (
        CHOICE,
        "(A)|so (a)|A.|pick A.|A)|a) it is|A:|**A.** red|( A )",
        "a ball|A ball rolls|a|A|AA.",
    ),
    (
        CHOICE,
        "the answer is A|Answer is (A)|answer is: A|answer is a.|answer is a|ANSWER IS **A**|answer: A",
        "answer is a dog|answer is a *red* dog",
    ),
    (
        CHOICE,
        "option A|answer A|answer: (A)|Option a, then|option (A|choose option A here",
        "option a user takes|options A and B|an option. A dog",
    ),
    (
        CHOICE,
        "the red ball|red ball|RED  the BALL!|red\nball|red-ball|**red** ball|'red ball's",
        "red|ball|red balls|ball red",
    ),
    (CHOICE, "red a ball", "reddest ball|red big ball|a blue box|(B)|answer is B"),
    (
        SECOND,
        "answer is b because|option b is|(b)|B.|b: yes|blue box|a blue box",
        "B|b|plan B works|AB.|(A)|A.|blue|red ball",
    ),
    (SECOND, "B.It|so B.", "e.g. U.B.C.|B.B.C. news"),
    (THIRD, "3 dogs|three dogs|Three the DOGS|3-dogs", "dogs|3|three|3 small dogs|13 dogs|3.5 dogs"),
    (PLUS, "a + b|(A)", "a - b|plus"),
    (
        number("3"),
        "3|three|Three.|3.0|3.|3,|03|(3)|-3|3s|3rd|3 cars|x=3|1, 2, 3|three-legged|\uff13|answer_3",
        "13|30|3.5|0.3|3,000",
    ),
    (number("3"), "2/3|1-3|3 000", "mp3|H3|thirteen|thirty|threefold|1.3|33"),
    (number("-3"), "-3|minus three|\u22123|3", "-4|minus two"),
    (number("three"), "3|three", "4"),
    (number("3 seconds"), "3|three seconds|3s", "4 seconds"),
    (number("0"), "0|zero|0.0|00", "10|0.5|zeroes|100"),
    (number("20"), "20|twenty|twenty-one", "2|200|21"),
    (number("21"), "21|twenty-one|Twenty One", "20|twenty|one|211"),
    (number("1000"), "1000|1,000|1000.00", "1|1,000,000|10000|000"),
    (number("1,000"), "1000|1,000", "1"),
    (number("0.5"), ".5|0.5|0.50|1/2|50.5/0.5", "5|1.5|0.51|0.05|11/2|1/20"),
    (number("50%"), "50%|50 percent|50", "5|500"),
    (number("1/3"), "1/3|1 / 3", "0.3|1|3"),
    (text("red ball"), "red ball|a Red, Ball|red the ball", "red|red big ball|redball"),
    (text("the red ball"), "red ball|the red ball", "the|red"),
    (text("two cats"), "2 cats|two cats|two the cats", "two|cats|22 cats|two dogs"),
    (text("3"), "3|three", "mp3"),
    (text("mp3"), "mp3|MP3!", "3|mp"),
    (text("B"), "(B)|answer is B", "B|to be or not to B"),
    (text("E"), "(e)|E.|it is e.", "i.e. this|e|eee"),
    (text("I"), "option I|(i)", "I think i can"),
    (text("vitamin A"), "vitamin A|vitamin a", "vitamin|a vitamin"),
    (text("dog's bowl"), "dog's bowl|dog\u2019s bowl", "dogs bowl|dog bowl"),
    (text("caf\u00e9"), "cafe\u0301|CAF\u00c9", "cafe"),
    (text("c++ (new)"), "c++ (new)|C new", "c|new"),
    (text(""), "", "anything|at all"),
    (
        SPANS,
        "dancing|3.2 to 65|from 3.2s until 65.0 s|3-65|3.20 - 65.0|0:03 to 1:05|[3.2, 65]|three to 65|65 to 3.2",
        "3.2|65|1:05|65 to 3",
    ),
    (
        SPANS,
        "between 3 and 65|3.2, and a very long way on, 65",
        "3 and then a very long way on to 65|3 to 4 to 65|13.2 to 65|3.2 to 650",
    ),
]
LEAKING = [(sample, part) for sample, yes, _ in LEAKS for part in yes.split("|") if part]
CLEAN = [(sample, part) for sample, _, no in LEAKS for part in no.split("|")]


@pytest.mark.parametrize(("sample", "words"), LEAKING)
def test_a_leak_is_found_wherever_it_stands(sample: Sample, words: str) -> None:
    assert leaks(words, sample)
    assert leaks(f"so then \u201c{words}", sample)
    assert leaks(f"well,\n{words}, and then on", sample) or words.lower() in ("answer is a", "a.", "a:")


@pytest.mark.parametrize(("sample", "words"), CLEAN)
def test_what_only_looks_like_a_leak_is_none(sample: Sample, words: str) -> None:
    assert not leaks(words, sample)
    assert not leaks(f"so then, {words} and on", sample)


def test_reasoning_is_the_text_inside_the_think_block() -> None:
    assert reasoning("<think> first\nsecond </think><answer>B</answer>") == "first\nsecond"
    assert reasoning("well <think>a</think> b </think>") == "a"
    for response in (
        "",
        "first </think>",
        "<think> cut off",
        "</think> a <think>",
        "<answer>B</answer>",
        "<think></think>",
    ):
        assert reasoning(response) == ""


@pytest.mark.parametrize(
    ("rewards", "index"),
    [
        ([], None),
        ([reward(1.0), reward(1.0)], None),
        ([reward(0.0, 0.0), reward(1.0)], None),
        ([reward(1.0), reward(2.0), reward(2.0)], 1),
        ([reward(1.5), reward(2.0), reward(1.0)], 1),
        ([reward(1.2), reward(1.0)], 0),
        ([reward(0.0, 0.0), reward(1.0, 0.0)], 1),  # right, without the format
        ([reward(1.0), reward(1.0, 0.0)], 1),  # the format alone never counts, whatever it ties with
        ([Reward(2.0, 1.0, 0.0, None, None)], None),  # nor whatever it weighs
        ([Reward(0.9, 1.0, 1.0, None, None)], 0),  # format 0.5, accuracy 0.4
        ([Reward(1.3, 1.0, 0.0, 0.3, None)], 0),  # a span that is right in part
    ],
)
def test_best_trace(rewards: list[Reward], index: int | None) -> None:
    assert best_trace(rewards, ["a trace"] * len(rewards)) == index


def test_the_best_trace_has_reasoning() -> None:
    right, better = reward(1.0, 0.0), reward(2.0)
    assert best_trace([better, right, right], ["", "", "a trace"]) == 2
    assert best_trace([better, right], ["", ""]) is None


@pytest.mark.parametrize(
    ("trace", "fraction", "hint"),
    [
        ("look at the table first", 0.4, Hint("look at", 0.4, "")),
        ("look at the table first", 1.0, Hint("look at the table first", 1.0, "")),
        ("I see a red ball on it", 1.0, Hint("I see a red", 4 / 7, "", leaked=True)),
        ("I see a red ball on it", 0.5, Hint("I see a red", 4 / 7, "")),
        ("so the answer is A. Right", 1.0, Hint("so the answer is", 4 / 6, "", leaked=True)),
        ("The answer is a dog or a cat", 1.0, Hint("The answer is a dog or a cat", 1.0, "")),
        (
            "The answer is a dog or a cat",
            0.5,
            Hint("The answer is", 3 / 8, "", leaked=True),
        ),  # "answer is a" at the end is a letter
        ("(A) it is", 1.0, Hint("", 0.0, "leak", leaked=True)),
        ("", 1.0, Hint("", 0.0, "no_trace")),
        (" \n ", 0.5, Hint("", 0.0, "no_trace")),
        ("some words", 0.0, Hint("", 0.0, "empty")),
        ("word", 0.5, Hint("", 0.0, "empty")),
    ],
)
def test_make_hint_by_hand(trace: str, fraction: float, hint: Hint) -> None:
    assert make_hint(trace, CHOICE, fraction) == hint


@pytest.mark.parametrize(
    ("trace", "num_words", "hint"),
    [
        ("look at the table first", 9, Hint("look at the table first", 1.0, "")),
        ("look at the table first", 2, Hint("look at", 0.4, "", too_long=True)),
        ("look at the table first", 0, Hint("", 0.0, "context", too_long=True)),
        ("I see a red ball on it", 2, Hint("I see", 2 / 7, "", leaked=True, too_long=True)),
        ("I see a red ball on it", 4, Hint("I see a red", 4 / 7, "", leaked=True)),
        ("The answer is a dog", 4, Hint("The answer is", 0.6, "", too_long=True)),  # cut after "a", it would leak
    ],
)
def test_a_hint_is_cut_to_what_fits(trace: str, num_words: int, hint: Hint) -> None:
    assert make_hint(trace, CHOICE, 1.0, fits=lambda text: len(text.split()) <= num_words) == hint


# Traces made of the answers' own pieces, so that most of them leak somewhere.
PIECES = (
    "the a A (A) A. a: B b. (b) B: answer is option red ball Ball, blue box 3 three 3.0 3, dogs 13 thirteen 3rd 3.5 "
    "cat Two two 2 -2 20 twenty one twenty-one 21 \u201cred ball\u201d I see, then *red* _ball_ . - so"
).split()
PHRASES = [
    *("answer is A", "the answer is a", "answer is B", "answer is b", "option A", "option a", "option B", "(B"),
    *("red ball", "The Red, the ball", "red blue ball", "blue a box", "three dogs", "2 cat", "two. Cat", "twenty one"),
]
traces = st.lists(st.sampled_from(PIECES) | st.sampled_from(PHRASES), max_size=20).map(" ".join)
SAMPLES = [
    CHOICE,
    SECOND,
    THIRD,
    number("3"),
    number("2"),
    number("20"),
    number("21"),
    text("red ball"),
    text("two cat"),
]
NUMERALS = {"two": "2", "three": "3", "thirteen": "13", "twenty": "20", "one": "1"}


def runs(words: str) -> list[str]:
    """Runs of letters and digits, small, number words as digits, decimals whole and without `.0`."""
    found: list[str] = []
    current = ""
    for before, char, after in zip(" " + words, words, words[1:] + " ", strict=False):
        if char.isalnum() or (char == "." and before.isdigit() and after.isdigit()):
            current += char.lower()
        elif current:
            found, current = [*found, current], ""
    found = [*found, current] if current else found
    return [NUMERALS.get(run, run).removesuffix(".0") for run in found]


def has_run(words: str, answer: str) -> bool:
    text_runs = [run for run in runs(words) if run not in ("a", "the")]
    wanted = [run for run in runs(answer) if run not in ("a", "the")]
    if len(wanted) == 1:  # "3rd" is 3, but "3rd dogs" are not three
        text_runs = [run.removesuffix("rd") for run in text_runs]
    return any(text_runs[i : i + len(wanted)] == wanted for i in range(len(text_runs)))


def has_letter(words: str, letter: str) -> bool:
    parts = words.translate(dict.fromkeys(map(ord, "*_,\u201c\u201d"))).split()
    if any(part.upper() in (f"({letter})", f"{letter}.", f"{letter})", f"{letter}:") for part in parts):
        return True
    for position, part in enumerate(parts):
        before = parts[:position]
        if part.strip("(").upper() == letter and (
            before[-1:] in (["option"], ["answer"]) or before[-2:] == ["answer", "is"]
        ):
            following = parts[position + 1] if position + 1 < len(parts) else "."
            if part.strip("(") != "a" or not following[0].isalnum():  # a small "a" before a word is the article
                return True
    return False


def oracle(words: str, sample: Sample) -> bool:
    """The leak test once more, for the words in PIECES and without regular expressions."""
    if sample.problem_type != "multiple_choice":
        compound = sample.answer == "21" and "twenty one" in words.replace("-", " ")
        return compound or has_run(words, sample.answer)
    return has_letter(words, sample.answer) or has_run(words, sample.options[ord(sample.answer) - ord("A")])


@settings(max_examples=500, deadline=None)
@given(traces, st.sampled_from(SAMPLES), st.floats(0.0, 1.0))
def test_a_hint_never_leaks_and_is_as_long_as_it_can_be(trace: str, sample: Sample, fraction: float) -> None:
    hint = make_hint(trace, sample, fraction)
    assert not oracle(hint.text, sample)
    assert not leaks(hint.text, sample)
    words, kept = trace.split(), hint.text.split()
    longest = partial(trace, fraction).split()
    assert kept == words[: len(kept)]
    assert len(kept) <= len(longest)
    for count in range(len(kept) + 1, len(longest) + 1):
        assert leaks(" ".join(words[:count]), sample)
    assert math.isclose(hint.fraction, len(kept) / max(len(words), 1))
    assert (hint.text == "") == (hint.reason != "")


@settings(max_examples=500, deadline=None)
@given(traces, st.sampled_from(SAMPLES))
def test_the_leak_test_finds_what_the_oracle_finds(trace: str, sample: Sample) -> None:
    assert leaks(trace, sample) == oracle(trace, sample)


@settings(max_examples=300, deadline=None)
@given(traces, st.sampled_from([number("3"), number("20"), text("red ball")]))
def test_no_words_of_a_hint_would_be_graded_as_the_answer(trace: str, sample: Sample) -> None:
    kept = make_hint(trace, sample, 1.0).text.split()
    for length in (1, 2, 3):
        for start in range(len(kept) - length + 1):
            answer = " ".join(kept[start : start + length])
            assert grade(f"<answer>{answer}</answer>", sample).accuracy == 0.0


@given(st.lists(st.sampled_from("see a the ball rolls A dog I think an option".split()), max_size=20).map(" ".join))
def test_the_article_is_no_leak(trace: str) -> None:
    assume("option A" not in trace)
    assume(not trace.endswith("option a"))
    assert not leaks(trace, Sample("s", "v.avi", "Which?", "A", "multiple_choice", ("cat", "cow")))


def test_a_long_trace_is_cut_in_little_time() -> None:
    start = time.process_time()
    for filler in ("word ", "3.1 ", "((((( ", "the ", "option ", "000000"):
        assert make_hint(filler * 20_000 + " (A) red ball", CHOICE, 1.0).reason in ("", "leak")
        without_leak(["red"] + ["the"] * 20_000, CHOICE)
    assert time.process_time() - start < 5.0
