"""The warm-up's examples: each sample with plain, hinted and guided prompts, and options in a new order every time.

To a third of the plain prompts the response is careless: a guess that no look at the video precedes. So the policy
knows how to look but does not always do so; that looking pays is left to reinforcement learning.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from stages.hint import make_hint
from stages.prompts import option_letter, question_text, render
from storage.datasets.shapes_answers import plausible
from storage.datasets.shapes_scene import COLOURS, DIRECTIONS, SHAPES
from storage.records import Sample
from trainer.warmup_batch import Example, Exercise

NUM_OPTIONS = 4
STYLES = ("plain", "plain", "careless", "hint", "guided")


def response_text(trace: str, answer: str) -> str:
    """A response in the format that the rewards ask for."""
    return f"<think>{trace}</think><answer>{answer}</answer>"


def as_choice(sample: Sample, trace: str, rng: np.random.Generator) -> tuple[Sample, str]:
    """The sample as multiple choice with newly drawn options, and its trace with the letter after the answer."""
    word = sample.answer
    if sample.options:
        word = sample.options[ord(sample.answer) - ord("A")]
        trace = f"{trace.removesuffix(f' {sample.answer}.')}."
    (choices,) = [names for names in (COLOURS, SHAPES, DIRECTIONS) if word in names]
    others = [choice for choice in choices if choice != word]
    options = _shuffled([word, *_shuffled(others, rng)[: NUM_OPTIONS - 1]], rng)
    letter = option_letter(options.index(word))
    choice = replace(sample, problem_type="multiple_choice", options=tuple(options), answer=letter)
    return choice, f"{trace.removesuffix('.')} {letter}."


def make_exercises(count: int, rng: np.random.Generator) -> list[Exercise]:
    """Options in the prompt's form, then four of them in any order, each with its letter, which is to be learned."""
    exercises = []
    for _ in range(count):
        options = _shuffled(list((COLOURS, SHAPES, DIRECTIONS)[int(rng.integers(3))]), rng)[:NUM_OPTIONS]
        lines = [f"{option_letter(i)}. {option}\n" for i, option in enumerate(options)]
        parts = ["".join(lines)]
        for index in rng.integers(0, NUM_OPTIONS, NUM_OPTIONS).tolist():
            parts[-1] += f" {options[index]}"
            parts += [f" {option_letter(index)}", "."]
        exercises.append(Exercise(tuple(parts)))
    return exercises


def _shuffled(names: list[str], rng: np.random.Generator) -> list[str]:
    return [names[i] for i in rng.permutation(len(names))]


def make_examples(
    samples: Sequence[Sample],
    traces: dict[str, str],
    processor: Any,
    rng: np.random.Generator,
    styles: Sequence[str] = STYLES,
) -> Iterator[Example]:
    """Per sample a prompt of each style (hints are of random length); short text as multiple choice too."""
    for clip, sample in enumerate(samples):
        trace = traces[sample.sample_id]
        for style in styles:
            variants = [(sample, trace)]
            if sample.problem_type == "short_text":
                variants.append(as_choice(sample, trace, rng))
            elif sample.problem_type == "multiple_choice":
                variants = [as_choice(sample, trace, rng)]
            for asked, gold in variants:
                hint = make_hint(gold, asked, float(rng.uniform(0.15, 0.9))).text if style == "hint" else ""
                text = question_text(asked, "short", hint=hint, reveal_answer=style == "guided")
                response = response_text(gold, asked.answer)
                if style == "careless":
                    guess = str(rng.choice(plausible(asked)))
                    response = response_text(f"Guessed, so {guess}.", guess)
                yield Example(render(processor, text), response, clip)
