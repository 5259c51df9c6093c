import pytest

from stages.prompts import HINTS, INSTRUCTIONS, question_text, render
from storage.records import Media, Sample
from trainer.policy import load_processor

CHOICE = Sample("s", "v.mp4", "Which first?", "B", "multiple_choice", options=("red", "blue"))
WORD = Sample("s", "v.mp4", "What colour?", "red", "short_text")


def test_the_order_of_the_lines():
    lines = question_text(CHOICE, hint="Red comes").split("\n")
    assert lines[:4] == [
        "Which first?",
        "A. red",
        "B. blue",
        "Hint, the reasoning before an option is chosen: Red comes",
    ]
    assert lines[4].startswith(INSTRUCTIONS["multiple_choice"])


def test_only_the_guided_prompt_holds_the_answer():
    assert "correct answer is B. blue" in question_text(CHOICE, reveal_answer=True)
    assert "red" in question_text(WORD, reveal_answer=True)
    assert "red" not in question_text(WORD)


def test_a_rendered_prompt_has_one_placeholder_and_ends_where_the_response_begins(checkpoint):
    prompt = render(load_processor(checkpoint), question_text(WORD))
    assert prompt.count("<|video_pad|>") == 1
    assert prompt.endswith("<|im_start|>assistant\n")


@pytest.mark.parametrize(
    ("media", "placeholders"),
    [
        (Media("v.mp4"), "<|vision_start|><|video_pad|><|vision_end|>"),
        (Media(image_path="i.png"), "<|vision_start|><|image_pad|><|vision_end|>"),
        (
            Media("v.mp4", image_path="i.png"),
            "<|vision_start|><|video_pad|><|vision_end|><|vision_start|><|image_pad|><|vision_end|>",
        ),
    ],
)
def test_a_video_comes_first_then_the_image_then_the_text(checkpoint, media, placeholders):
    prompt = render(load_processor(checkpoint), "What?", media.modalities)
    assert prompt == f"<|im_start|>user\n{placeholders}What?<|im_end|>\n<|im_start|>assistant\n"


@pytest.mark.parametrize("problem_type", INSTRUCTIONS)
def test_every_problem_type_has_an_instruction_and_a_hint_of_its_own(problem_type):
    assert INSTRUCTIONS[problem_type].startswith("Answer with")
    assert len(set(HINTS.values())) == len(INSTRUCTIONS)
    hinted = question_text(Sample("s", "v.mp4", "Q?", "7", problem_type), hint="{0} left")
    assert hinted.split("\n")[1] == HINTS[problem_type].replace("{}", "{0} left")
