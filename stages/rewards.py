"""The reward of a response: format, accuracy and IoU, each times its weight (arXiv:2506.07464, Appendix B).

format: the whole response is one `<think>...</think>` and one `<answer>...</answer>`, white space between and around
them; tags are lower-case, either block may be empty.
accuracy: the answer block matches the sample's ground truth by the rule of its problem type. It may be 1 without the
format, but only if there is exactly one `<answer>...</answer>` block and nothing but white space follows it: text after
`</answer>` makes the answer void, because a policy that may go on writing there learns to hedge.
IoU: 0 to 1, where the question asks when. Departure from the paper's recipes, which have format and IoU alone there:
accuracy is 1 from an IoU of 0.5 on, so that its column means the same for every problem type.

To add a problem type: name it in `storage.records.ProblemType`, write its matcher, add both to the tables below.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from stages.choice import same_choice
from stages.config import RewardsConfig
from stages.number import same_number
from stages.short_text import same_text
from stages.spans import span_iou
from storage.records import ProblemType, Sample

DEFAULT = RewardsConfig()
GROUNDED: frozenset[ProblemType] = frozenset({"temporal_grounding"})
"""Problem types whose answer is a set of time spans."""
RIGHT_IOU = 0.5
"""The IoU from which such an answer is right, as the recall of temporal grounding is usually counted."""


@dataclass(frozen=True, slots=True)
class Reward:
    """A response's reward and its parts.

    total: sum of the parts that apply, 0 to `max_reward` of the problem type.
    format, accuracy: 0.0 or 1.0.
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

    Raises ValueError for a problem type without a matcher, and for a multiple-choice answer that names no option.
    """
    match = _MATCHERS.get(sample.problem_type)
    if match is None:
        raise ValueError(
            f"sample_id={sample.sample_id!r}: no reward for problem_type={sample.problem_type!r}; "
            f"use one of {', '.join(_MATCHERS)}, or add a matcher to stages/rewards.py"
        )
    predicted = extract_answer(response)
    accuracy = float(predicted is not None and match(predicted, sample))
    format_reward = float(has_format(response))
    iou = span_iou(predicted, sample) if sample.problem_type in GROUNDED else None
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


_FORMAT = re.compile(r"\s*<think>.*</think>\s*<answer>.*</answer>\s*", re.DOTALL)
_TAGS = ("<think>", "</think>", "<answer>", "</answer>")


def has_format(response: str) -> bool:
    """Whether the whole response is one think block and one answer block, in this order, and nothing else."""
    return all(response.count(tag) == 1 for tag in _TAGS) and _FORMAT.fullmatch(response) is not None


def extract_answer(response: str) -> str | None:
    """The text of the only answer block, stripped; None if there is none, more than one, or text after it."""
    if response.count("<answer>") != 1 or response.count("</answer>") != 1:
        return None
    before, _, after = response.partition("</answer>")
    _, opened, answer = before.partition("<answer>")
    return answer.strip() if opened and not after.strip() else None


_MATCHERS: dict[ProblemType, Callable[[str, Sample], bool]] = {
    "multiple_choice": same_choice,
    "number": lambda predicted, sample: same_number(predicted, sample.answer),
    "short_text": lambda predicted, sample: same_text(predicted, sample.answer),
    "temporal_grounding": lambda predicted, sample: span_iou(predicted, sample) >= RIGHT_IOU,
}
