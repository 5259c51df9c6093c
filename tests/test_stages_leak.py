"""Generated traces with the answer in many forms at random places: no hint of any share in any unit holds one.

The oracle is by construction: a trace is made of pieces, and the test knows which of them give the answer away and at
which word they are complete. It shares nothing with `stages.leak`.
"""

import typing
from dataclasses import dataclass

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stages.config import HintUnit
from stages.hint import make_hint
from storage.records import ProblemType, Sample
from trainer.policy import load_processor

LETTERS = [
    "({0})", "({1})", "( {0} )", "{0}.", "{1}.", "{0})", "{1})", "{0}:", "[{0}]", "**{0}**", "*{0}*", "`{0}`", '"{0}"',
    "\u201c{0}\u201d", "the answer is {0}", "answer: {0}", "Answer = {0}", "ANSWER IS {0}", "the answer is **{0}**",
    "the answer is ({1})", "the answer must be {0}", "the answer should be {0}", "the correct answer would be {0}",
    "the right option is {0}", "option {0}", "Option: {0}", "choice {0}", "the correct choice is {0}", "the letter {0}",
    "I choose {0}", "pick {0}", "we select ({0})", "{0} is correct", "{0} is the right one", "{0} is the answer",
    "<answer>{0}</answer>", "\\boxed{{{0}}}", "the answer is: {0}",
]  # fmt: skip
PHRASE = [
    "{0}",
    "{0},",
    "({0})",
    "\u201c{0}\u201d",
    "**{0}**",
    "{0}.",
    "it's {0}!",
    "<{0}>",
    "{0}'s",
    "_{0}_",
    "{0}\u2014so",
]
NUMBER = [
    "{0}",
    "{0},",
    "{0}.",
    "({0})",
    "={0}",
    "x={0};",
    "#{0}",
    "**{0}**",
    "{0}-fold",
    "\u201c{0}\u201d",
    "$ {0}",
    "{0}:",
]
SPAN = [
    "{0} to {1}", "{0}-{1}", "{0} \u2013 {1}", "from {0}s to {1}s", "between {0} and {1} seconds", "[{0}, {1}]",
    "it starts at {0} and ends at {1}", "{0} seconds until {1} seconds", "start: {0}, end: {1}", "<{0}><{1}>",
    "it begins at {0} seconds and it is over again at {1} seconds", "it ends at {1} s, having begun at {0} s",
    "first seen at {0}. Then it moves from one side to the other. It is last seen at {1}",
]  # fmt: skip
FILLER = (
    "a A an the The ball rolls, answer. option? choices letters: (and) then so it's I e.g. left-hand; wait... moves. "
    "quickly \u201clook\u201d which \u2014 frame, -- is *that* mp4 ab B2 \u732b \u00fcn\u00fc"
).split()


Spans = tuple[tuple[float, float], ...]


@dataclass(frozen=True)
class Case:
    """A sample and what gives its answer away."""

    sample: Sample
    forms: tuple[str, ...]


def cased(text: str) -> list[str]:
    return list(dict.fromkeys([text, text.upper(), text.lower(), text.title()]))


def choice(letter: str, problem_type: ProblemType = "multiple_choice", spans: Spans = ()) -> Case:
    options = ("the green door", "17 cars", "on a chair", "Caf\u00e9 Noir")
    sample = Sample(problem_type, "v.mp4", "Which?", letter, problem_type, options, spans)
    text = ["green door", "Green, the door", "green-door", "GREEN a door"], ["17 cars", "seventeen cars", "17 the Cars"]
    others = ["on a chair", "on the chair", "On chair"], ["caf\u00e9 noir", "CAFE\u0301 NOIR", "Caf\u00e9\u2014Noir"]
    words = (*text, *others)[ord(letter) - ord("A")]
    forms = [form.format(letter, letter.lower()) for form in LETTERS]
    forms += [form.format(f"{start:g}", f"{end:g}") for start, end in spans for form in SPAN]
    return Case(sample, (*forms, *(form.format(word) for word in words for form in PHRASE)))


def number(answer: str, *spelled: str) -> Case:
    written = [way for word in spelled for way in (cased(word) if word.islower() else [word])]
    forms = [form.format(word) for word in (answer, *written) for form in NUMBER]
    return Case(Sample(f"number {answer}", "v.mp4", "How many?", answer, "number"), tuple(forms))


def phrase(answer: str, *others: str, problem_type: ProblemType = "short_text") -> Case:
    forms = [form.format(word) for word in (*cased(answer), *others) for form in PHRASE]
    return Case(Sample(f"text {answer}", "v.mp4", "What?", answer, problem_type), tuple(forms))


def grounded(*spans: tuple[float, float]) -> Case:
    forms = []
    for span in spans:
        for write in (lambda t: f"{t:g}", lambda t: f"{t:.1f}", lambda t: f"{t:.2f}"):
            forms += [form.format(*map(write, span)) for form in SPAN]
        forms.append(" to ".join(f"{int(t) // 60}:{round(t) % 60:02d}" for t in span))
    answer = ", ".join(f"{start} to {end}" for start, end in spans)
    return Case(Sample(f"when {answer}", "v.mp4", "When?", answer, "temporal_grounding", spans=spans), tuple(forms))


YES = ["yes", "Yes,", "the answer is {0}", "**{0}**", "{0}: it moves", "so {0}!", "choose {0}"]
NO = [
    "No,",
    "no.",
    "the answer is {0}",
    "the answer must be {0} then",
    "**{0}**",
    '"{0}" is it',
    "{0}: it rests",
    "choose {0}",
]


def yes_no(word: str, forms: list[str]) -> Case:
    found = tuple(form.format(word) for form in forms)
    return Case(Sample(f"is it {word}", "v.mp4", "Is it?", word, "yes_no"), found)


CASES = [
    yes_no("yes", YES),
    yes_no("no", NO),
    choice("B", "grounded_choice", ((3.2, 65.0),)),
    phrase("A man parks the car", problem_type="free_text"),
    *map(choice, "ABCD"),
    number("3", "three", "3.0", "03", "\uff13"),
    number("0", "zero", "0.0"),
    number("11", "eleven", "11.00"),
    number("42", "forty-two", "forty two", "42.0"),
    number("1250", "1,250", "1250.0"),
    number("-5", "5", "five", "\u22125"),
    number("0.5", ".5", "0.50", "1/2"),
    phrase("red", "Red;"),
    phrase("top left", "top-left", "top, left", "top\u2014left"),
    phrase("a cup of tea", "the cup of the tea", "cup of tea"),
    phrase("two dogs", "2 dogs", "TWO the dogs"),
    phrase("vitamin A"),
    phrase("M\u00fcller's caf\u00e9"),
    grounded((0.5, 1.5)),
    grounded((3.2, 65.0)),
    grounded((0.0, 1.0), (12.0, 20.0)),
]


def pieces(case: Case, *, with_answer: bool) -> st.SearchStrategy[list[tuple[str, bool]]]:
    """Words that do not give the answer away, and forms that do, each with whether it does."""
    filler = st.sampled_from(FILLER).map(lambda word: (word, False))
    forms = st.sampled_from(case.forms).map(lambda form: (form, True))
    return st.lists(st.one_of(filler, filler, filler, forms) if with_answer else filler, max_size=12)


@pytest.fixture(scope="module")
def tokenizer(checkpoint):
    return load_processor(checkpoint).tokenizer


def test_every_problem_type_has_a_case():
    assert {case.sample.problem_type for case in CASES} == set(typing.get_args(ProblemType))


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.sample.sample_id)
def test_each_form_alone_leaves_no_hint_that_completes_it(case: Case) -> None:
    missed = [form for form in case.forms if len(make_hint(form, case.sample, 1.0).text.split()) == len(form.split())]
    assert missed == []


@settings(max_examples=2000, deadline=None)
@given(st.data(), st.sampled_from(CASES), st.sampled_from(typing.get_args(HintUnit)), st.floats(0.0, 1.0))
def test_no_hint_of_any_share_and_unit_leaks(tokenizer, data, case, unit, fraction) -> None:
    drawn = data.draw(pieces(case, with_answer=True))
    trace = " ".join(piece for piece, _ in drawn)
    complete, num_words = [], 0
    for piece, leaks in drawn:
        num_words += len(piece.split())
        complete += [num_words] if leaks else []
    hint = make_hint(trace, case.sample, fraction, unit=unit, tokenizer=tokenizer)
    assert len(hint.text.split()) < min(complete, default=num_words + 1)


@settings(max_examples=500, deadline=None)
@given(st.data(), st.sampled_from(CASES))
def test_articles_and_other_words_are_no_leak(data, case) -> None:
    trace = " ".join(piece for piece, _ in data.draw(pieces(case, with_answer=False)))
    hint = make_hint(trace, case.sample, 1.0)
    assert not hint.leaked
    assert hint.text == " ".join(trace.split())


@pytest.mark.parametrize("trace", ["There is no one on the road.", "It no longer moves", "no, no ball; not now"])
def test_no_before_a_word_does_not_say_no(trace: str) -> None:
    sample = Sample("s", "v.mp4", "Is it?", "no", "yes_no")
    hint = make_hint(trace, sample, 1.0)
    assert hint.text == ("" if trace.startswith("no,") else trace)
    assert make_hint(trace, Sample("s", "v.mp4", "Is it?", "yes", "yes_no"), 1.0).text == trace
