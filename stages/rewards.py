"""The reward of a response: format, accuracy and IoU, each times its weight (arXiv:2506.07464, Appendix B).

format: the whole response is the blocks that its problem type asks for (`stages/blocks.py`), one of each, in order.
What they hold is for the other parts to judge.
accuracy: the answer block matches the ground truth by the rule of its problem type: 0 or 1; of free text, F1. It may be
earned without the format, but only if there is exactly one `<answer>...</answer>` block and nothing but white space (or
the span block, where one is asked for) follows it: text after `</answer>` makes the answer void, because a policy that
may go on writing there learns to hedge.
IoU: 0 to 1, where time spans are asked for. Departure from the paper's recipes, which have format and IoU alone where
the spans are the answer: accuracy is 1 there from an IoU of 0.5 on, so that its column means the same for every type.

To add a problem type: name it in `storage.records.ProblemType`, write its matcher, add both to the tables below.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from stages.blocks import GROUNDED, block, block_names, is_blocks
from stages.choice import same_choice
from stages.config import RewardsConfig
from stages.free_text import token_f1
from stages.number import same_number
from stages.short_text import same_text
from stages.spans import span_iou
from stages.yes_no import same_yes_no
from storage.records import ProblemType, Sample

DEFAULT = RewardsConfig()
RIGHT_IOU = 0.5
"""The IoU from which spans are a right answer, as the recall of temporal grounding is usually counted."""


@dataclass(frozen=True, slots=True)
class Reward:
    """A response's reward and its parts.

    total: sum of the parts that apply, 0 to `max_reward` of the problem type.
    format: 0.0 or 1.0.
    accuracy: 0.0 or 1.0; 0.0 to 1.0 of free text.
    iou: 0.0 to 1.0, or None where the problem type asks for no span.
    predicted_answer: the answer block without surrounding white space; None if no block is accepted.
    """

    total: float
    format: float
    accuracy: float
    iou: float | None
    predicted_answer: str | None


def grade(response: str, sample: Sample, config: RewardsConfig = DEFAULT) -> Reward:
    """Grades one response; the weights of `config` count in the total alone.

    Raises ValueError for a problem type without a matcher, and for a ground truth that its type does not have: a letter
    that names no option, neither yes nor no.
    """
    match = _MATCHERS.get(sample.problem_type)
    if match is None:
        raise ValueError(
            f"sample_id={sample.sample_id!r}: no reward for problem_type={sample.problem_type!r}; "
            f"use one of {', '.join(_MATCHERS)}, or add a matcher to stages/rewards.py"
        )
    names = block_names(sample.problem_type)
    format_reward = float(is_blocks(response, names))
    predicted = block(response, "answer", behind=names[2:])
    accuracy = float(match(predicted, sample)) if predicted is not None else 0.0
    iou = None
    if sample.problem_type in GROUNDED:
        iou = span_iou(block(response, names[-1]), sample)
    total = config.format_weight * format_reward + config.accuracy_weight * accuracy + config.iou_weight * (iou or 0.0)
    return Reward(total, format_reward, accuracy, iou, predicted)


def reward_columns(reward: Reward) -> dict[str, Any]:
    """A reward as columns of a graded row."""
    return {
        "reward": reward.total,
        "reward_format": reward.format,
        "reward_accuracy": reward.accuracy,
        "reward_iou": reward.iou,
        "predicted_answer": reward.predicted_answer,
    }


def max_reward(problem_type: ProblemType, config: RewardsConfig = DEFAULT) -> float:
    """The largest total that a response can earn: the sum of the weights that apply.

    Raises ValueError for a problem type without a matcher.
    """
    if problem_type not in _MATCHERS:
        raise ValueError(f"no reward for problem_type={problem_type!r}; use one of {', '.join(_MATCHERS)}")
    most = config.format_weight + config.accuracy_weight
    return most + config.iou_weight if problem_type in GROUNDED else most


_MATCHERS: dict[ProblemType, Callable[[str, Sample], float]] = {
    "multiple_choice": same_choice,
    "grounded_choice": same_choice,
    "yes_no": same_yes_no,
    "number": lambda predicted, sample: same_number(predicted, sample.answer),
    "short_text": lambda predicted, sample: same_text(predicted, sample.answer),
    "free_text": lambda predicted, sample: token_f1(predicted, sample.answer),
    "temporal_grounding": lambda predicted, sample: span_iou(predicted, sample) >= RIGHT_IOU,
}
