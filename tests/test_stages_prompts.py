import typing
from dataclasses import replace
from pathlib import Path

import pytest

from flows.config import load_config
from stages.blocks import GROUNDED, block_names
from stages.deterministic_engine import DeterministicEngine
from stages.prompts import EXAMPLES, HINTS, INSTRUCTIONS, question_text, render
from stages.rewards import grade
from stages.rollout import Scene, as_in_the_data, roll_out, to_roll_out
from storage.datasets import shapes
from storage.records import Media, ProblemType, Sample
from trainer.policy import load_processor

CHOICE = Sample("s", "v.mp4", "Which first?", "B", "multiple_choice", options=("red", "blue"))
WORD = Sample("s", "v.mp4", "What colour?", "red", "short_text")
WHEN = Sample("s", "v.mp4", "When?", "1.0 to 2.0", "temporal_grounding", spans=((1.0, 2.0),))
BOTH = Sample("s", "v.mp4", "Which?", "B", "grounded_choice", ("red", "blue"), ((1.0, 2.0), (3.0, 4.5)))


def test_the_short_prompts_are_those_of_the_warm_up():
    """Byte for byte: the embedded policy has seen no others."""
    said = "Reason inside <think> </think>, then answer inside <answer> </answer>."
    assert question_text(CHOICE, "short", hint="Red comes") == (
        "Which first?\nA. red\nB. blue\nHint, the reasoning before an option is chosen: Red comes\n"
        f"Answer with the letter. {said}"
    )
    assert question_text(CHOICE, "short", reveal_answer=True) == (
        f"Which first?\nA. red\nB. blue\nThe correct answer is B. blue. Explain it.\nAnswer with the letter. {said}"
    )
    assert question_text(WORD, "short") == f"What colour?\nAnswer with a word or phrase. {said}"
    assert question_text(WHEN, "short", times=[0, 1]) == f"When?\nAnswer with seconds, start to end. {said}"
    number = Sample("s", "v.mp4", "How many?", "3", "number")
    assert question_text(number, "short", hint="I see") == (
        f"How many?\nHint, the reasoning before the number is known: I see\nAnswer with a number. {said}"
    )


def test_the_full_prompt_of_a_grounded_choice():
    assert question_text(BOTH, times=[0.0, 2.04, 4.0]) == (
        "Which?\nA. red\nB. blue\nThe frames are at 0.0, 2.0, 4.0 seconds.\n"
        "Answer with the letter, then the seconds that show it, start to end. "
        "Reason inside <think> </think>, then answer inside <answer> </answer>. "
        "Write the seconds inside <glue> </glue>.\n"
        "Write nothing else, as in: "
        "<think>...</think><answer>B</answer><glue>[(3.5, 8.2), (12.0, 14.6)]</glue>"
    )


@pytest.mark.parametrize("problem_type", typing.get_args(ProblemType))
def test_the_example_of_a_full_prompt_is_a_response_that_is_read(problem_type):
    """As an answer to a question that it is right for, it earns all there is."""
    answer = EXAMPLES[problem_type].split("<answer>")[1].split("</answer>")[0]
    options, spans = ("red", "blue") if "choice" in problem_type else (), ((3.5, 8.2),)
    if problem_type == "grounded_choice":
        spans = ((3.5, 8.2), (12.0, 14.6))
    sample = Sample("s", "v.mp4", "Q?", answer, problem_type, options, spans)
    prompt = question_text(sample, times=[0.0, 1.0])
    reward = grade(prompt.partition("as in: ")[2], sample)
    assert (reward.format, reward.accuracy, reward.iou) == (1, 1, 1 if problem_type in GROUNDED else None)
    assert ("The frames are at 0.0, 1.0 seconds." in prompt) == (problem_type in GROUNDED)
    assert all(f"<{name}> </{name}>" in prompt for name in block_names(problem_type))


def test_rollouts_are_asked_with_the_times_of_the_frames_that_are_shown(checkpoint, tmp_path):
    """Shape videos have 8 frames at 4 a second; two, first and last, are shown."""
    shapes.generate(tmp_path, seed=9, num_train=1, num_validation=0)
    (made,) = shapes.load(tmp_path)
    overrides = ["rollout.group_size=2", "rollout.max_new_tokens=96", "prompts.style=full", "video.num_frames=2"]
    config = load_config("tiny", overrides)
    engine, processor = DeterministicEngine(config.video, checkpoint), load_processor(checkpoint)
    scene = Scene("run", 0, "rollout", 0, 0, engine, processor, config.video, config.prompts, config.rewards, Path)
    asked = [replace(BOTH, sample_id=str(i), video_path=made.video_path) for i in range(4)]
    ready, dropped = to_roll_out([as_in_the_data(s, "original", 0) for s in asked], scene)
    rollouts = roll_out(ready, config.rollout, scene)
    assert (len(rollouts), dropped) == (8, [])
    for rollout in rollouts:
        assert question_text(BOTH, times=[0.0, 1.75]) in rollout.prompt
        assert (rollout.max_reward, rollout.reward_format) == (3.0, 1.0)
        assert rollout.predicted_answer in ("A", "B")
        assert rollout.reward == rollout.reward_format + rollout.reward_accuracy + rollout.reward_iou
    assert len({rollout.reward_iou for rollout in rollouts}) > 1


def test_only_the_guided_prompt_holds_the_answer():
    assert "correct answer is B. blue" in question_text(CHOICE, reveal_answer=True)
    assert "The correct answer is red. Explain it." in question_text(WORD, reveal_answer=True)
    assert "The correct answer is red" not in question_text(WORD)
    guided = question_text(BOTH, reveal_answer=True)
    assert "The correct answer is B. blue, seen at 1.0 to 2.0, 3.0 to 4.5 seconds. Explain it." in guided


@pytest.mark.parametrize("style", ["short", "full"])
def test_subtitles_come_first_and_in_order(style):
    sample = Sample("s", "v.mp4", "Who spoke?", "he", "short_text", subtitles=("Hello.", "And you?"))
    assert question_text(sample, style).startswith("Subtitles:\nHello.\nAnd you?\nWho spoke?\nAnswer with")


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


@pytest.mark.parametrize("problem_type", typing.get_args(ProblemType))
def test_every_problem_type_has_an_instruction_and_a_hint_of_its_own(problem_type):
    assert INSTRUCTIONS[problem_type].startswith("Answer with")
    assert len(set(HINTS.values())) == len(set(INSTRUCTIONS.values())) == len(typing.get_args(ProblemType))
    hinted = question_text(Sample("s", "v.mp4", "Q?", "7", problem_type), hint="{0} left")
    assert hinted.split("\n")[1] == HINTS[problem_type].replace("{}", "{0} left")
