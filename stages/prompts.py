"""Every prompt of the project is built here, and nowhere else: engine, trainer and warm-up see the same text.

A prompt is the chat template of the policy's own processor around a video, an image or both, and one text. The text is
the question, its options, the problem type's instruction and, for augmented samples, a hint. The *guided* text also
holds the ground-truth answer; it only serves to sample reasoning traces for hints (METHOD.md section 5) and is never
trained on.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from storage.records import Modality, ProblemType, Sample

INSTRUCTIONS: dict[ProblemType, str] = {
    "multiple_choice": "Answer with the letter.",
    "number": "Answer with a number.",
    "short_text": "Answer with a word or phrase.",
    "temporal_grounding": "Answer with seconds, start to end.",
}
HINTS: dict[ProblemType, str] = {
    "multiple_choice": "Hint, the reasoning before an option is chosen: {}",
    "number": "Hint, the reasoning before the number is known: {}",
    "short_text": "Hint, the reasoning before the answer is named: {}",
    "temporal_grounding": "Hint, the reasoning before the seconds are known: {}",
}
"""How a hint is said to a problem type; {} is what is revealed of the reasoning."""
FORMAT = "Reason inside <think> </think>, then answer inside <answer> </answer>."


def option_letter(index: int) -> str:
    """The letter of option `index`, counted from 0: A, B, C, ..."""
    return chr(ord("A") + index)


def question_text(sample: Sample, *, hint: str = "", reveal_answer: bool = False) -> str:
    """The user's text of `sample`, lines in a fixed order: question, options, hint or answer, instructions."""
    lines = [sample.question]
    lines += [f"{option_letter(i)}. {option}" for i, option in enumerate(sample.options)]
    if hint:
        lines.append(HINTS[sample.problem_type].format(hint))
    if reveal_answer:
        lines.append(f"The correct answer is {answer_text(sample)}. Explain it.")
    lines.append(f"{INSTRUCTIONS[sample.problem_type]} {FORMAT}")
    return "\n".join(lines)


def answer_text(sample: Sample) -> str:
    """The ground truth as a reader would say it: the letter with its option's text, or the answer itself."""
    if sample.problem_type == "multiple_choice" and sample.options:
        return f"{sample.answer}. {sample.options[ord(sample.answer) - ord('A')]}"
    return sample.answer


def render(processor: Any, text: str, modalities: Sequence[Modality] = ("video",)) -> str:
    """The chat template of `processor` (of transformers) around what is shown and `text`, ready to generate from.

    The video comes before the image, as SEED-Bench-R1's own training has it (arXiv:2503.24376).
    """
    content = [*({"type": modality} for modality in modalities), {"type": "text", "text": text}]
    text_of_prompt: str = processor.apply_chat_template(
        [{"role": "user", "content": content}], tokenize=False, add_generation_prompt=True
    )
    return text_of_prompt
