"""Every prompt of the project is built here, and nowhere else: engine, trainer and warm-up see the same text.

A prompt is the chat template of the policy's own processor around a video, an image or both, and one text. The text is
the question, its options, the problem type's instruction and, for augmented samples, a hint. The *guided* text also
holds the ground-truth answer; it only serves to sample reasoning traces for hints (METHOD.md section 5) and is never
trained on.

What an answer must look like is said in one sentence (`short`, what the embedded policy was warmed up on), or shown by
an example as well, as benchmarks' own evaluations do (`full`). Where seconds are asked for, `full` also lists when the
frames are: Qwen2.5-VL has that in its position ids, other models have it from nowhere else.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from stages.blocks import GROUNDED
from stages.config import PromptStyle
from storage.records import Modality, ProblemType, Sample

INSTRUCTIONS: dict[ProblemType, str] = {
    "multiple_choice": "Answer with the letter.",
    "grounded_choice": "Answer with the letter, then the seconds that show it, start to end.",
    "yes_no": "Answer with yes or no.",
    "number": "Answer with a number.",
    "short_text": "Answer with a word or phrase.",
    "free_text": "Answer with a short sentence.",
    "temporal_grounding": "Answer with seconds, start to end.",
}
EXAMPLES: dict[ProblemType, str] = {
    "multiple_choice": "<answer>B</answer>",
    "grounded_choice": "<answer>B</answer><glue>[(3.5, 8.2), (12.0, 14.6)]</glue>",
    "yes_no": "<answer>yes</answer>",
    "number": "<answer>3.5</answer>",
    "short_text": "<answer>red car</answer>",
    "free_text": "<answer>A man parks his red car.</answer>",
    "temporal_grounding": "<answer>3.5 to 8.2</answer>",
}
"""What may follow the think block."""
HINTS: dict[ProblemType, str] = {
    "multiple_choice": "Hint, the reasoning before an option is chosen: {}",
    "grounded_choice": "Hint, the reasoning before an option and the seconds are chosen: {}",
    "yes_no": "Hint, the reasoning before yes or no is said: {}",
    "number": "Hint, the reasoning before the number is known: {}",
    "short_text": "Hint, the reasoning before the answer is named: {}",
    "free_text": "Hint, the reasoning before the answer is written: {}",
    "temporal_grounding": "Hint, the reasoning before the seconds are known: {}",
}
"""How a hint is said to a problem type; {} is what is revealed of the reasoning."""
FORMAT = "Reason inside <think> </think>, then answer inside <answer> </answer>."
SPAN_FORMAT = "Write the seconds inside <glue> </glue>."


def option_letter(index: int) -> str:
    """The letter of option `index`, counted from 0: A, B, C, ..."""
    return chr(ord("A") + index)


def question_text(
    sample: Sample,
    style: PromptStyle = "full",
    *,
    times: Sequence[float] = (),
    hint: str = "",
    reveal_answer: bool = False,
) -> str:
    """The user's text of `sample`, in a fixed order: subtitles, question, options, hint or answer, instructions.

    times: of the frames that are shown, in seconds from the first one.
    """
    lines = ["Subtitles:", *sample.subtitles] if sample.subtitles else []
    lines.append(sample.question)
    lines += [f"{option_letter(i)}. {option}" for i, option in enumerate(sample.options)]
    if hint:
        lines.append(HINTS[sample.problem_type].format(hint))
    if reveal_answer:
        lines.append(f"The correct answer is {answer_text(sample)}. Explain it.")
    if style == "full" and sample.problem_type in GROUNDED and len(times):
        lines.append(f"The frames are at {', '.join(f'{time:.1f}' for time in times)} seconds.")
    lines.append(instruction(sample.problem_type))
    if style == "full":
        lines.append(f"Write nothing else, as in: <think>...</think>{EXAMPLES[sample.problem_type]}")
    return "\n".join(lines)


def instruction(problem_type: ProblemType) -> str:
    """What an answer to the problem type is, and the blocks that the response has."""
    sentences = [INSTRUCTIONS[problem_type], FORMAT]
    return " ".join([*sentences, SPAN_FORMAT] if problem_type == "grounded_choice" else sentences)


def answer_text(sample: Sample) -> str:
    """The ground truth as a reader would say it: the letter with its option's text and spans, or the answer itself."""
    if not sample.options:
        return sample.answer
    text = f"{sample.answer}. {sample.options[ord(sample.answer) - ord('A')]}"
    if sample.problem_type == "grounded_choice":
        text += f", seen at {', '.join(f'{start} to {end}' for start, end in sample.spans)} seconds"
    return text


def render(processor: Any, text: str, modalities: Sequence[Modality] = ("video",)) -> str:
    """The chat template of `processor` (of transformers) around what is shown and `text`, ready to generate from.

    The video comes before the image, as SEED-Bench-R1's own training has it (arXiv:2503.24376).
    """
    content = [*({"type": modality} for modality in modalities), {"type": "text", "text": text}]
    text_of_prompt: str = processor.apply_chat_template(
        [{"role": "user", "content": content}], tokenize=False, add_generation_prompt=True
    )
    return text_of_prompt
