"""Hints for hard samples: the first part of a good reasoning trace, without the answer (METHOD.md, section 5).

arXiv:2506.07464 puts the ground truth into the prompt, samples several trajectories, keeps the one with the highest
reward and reveals part of its reasoning. Departures: the paper does not say how the answer is kept out of what is
revealed; here the part is cut before the first word that completes a leak (`stages.leak`). Nor does it say what happens
to a hint that the engine's context cannot hold; here it is cut to what fits.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from stages.config import HintUnit
from stages.leak import without_leak
from stages.partial import partial
from stages.rewards import Reward
from storage.records import Sample


@dataclass(frozen=True, slots=True)
class Hint:
    """Revealed reasoning, or the reason why there is none.

    text: words of the trace, joined by single spaces; '' for no hint.
    fraction: the share of the trace's words in `text`, 0 to 1, after cutting.
    reason: '' with a hint; else 'no_correct_trace' (no trajectory earns more than the format), 'no_trace' (none that
    does has reasoning), 'empty' (the fraction reveals no word), 'leak' or 'context' (nothing is left after cutting).
    leaked: the part that was asked for gives the answer away. too_long: what did not leak of it exceeds the context.
    """

    text: str
    fraction: float
    reason: str
    leaked: bool = False
    too_long: bool = False


def reasoning(response: str) -> str:
    """The text inside the first `<think>...</think>`, stripped; '' if there is no complete block.

    Also '' for a response that spells a special token such as `<|video_pad|>`: in a hint it would become one.
    """
    if "<|" in response:
        return ""
    _, _, inside = response.partition("<think>")
    trace, closed, _ = inside.partition("</think>")
    return trace.strip() if closed else ""


def earns(reward: Reward) -> bool:
    """Whether a response earns more than the format: accuracy or IoU, whatever the parts weigh."""
    return reward.accuracy > 0 or (reward.iou or 0.0) > 0


def usable(reward: Reward, trace: str) -> bool:
    """Whether a hint may be cut from a trajectory: it earns more than the format and has reasoning.

    One that is right without the format is, and one that has the format alone never.
    """
    return earns(reward) and trace != ""


def best_trace(rewards: Sequence[Reward], traces: Sequence[str]) -> int | None:
    """The index of the highest total among the usable trajectories, ties to the first; None if there is none."""
    found = [index for index, pair in enumerate(zip(rewards, traces, strict=True)) if usable(*pair)]
    return max(found, key=lambda index: rewards[index].total, default=None)


def make_hint(
    trace: str,
    sample: Sample,
    fraction: float,
    *,
    unit: HintUnit = "words",
    tokenizer: Any = None,
    fits: Callable[[str], bool] = lambda text: True,
) -> Hint:
    """The first `fraction` of `trace`, cut back to its longest beginning of whole words that fits and does not leak.

    fits: whether the engine's context has room for a hint of this text.
    Raises ValueError for a fraction outside 0..1.
    """
    num_words = len(trace.split())
    asked = partial(trace, fraction, unit, tokenizer).split()
    words = clean = without_leak(asked, sample)
    while words and not fits(" ".join(words)):
        words = without_leak(words[:-1], sample)  # "answer is a", cut out of "answer is a dog", leaks
    cut = {"leaked": len(clean) < len(asked), "too_long": len(words) < len(clean)}
    if words:
        return Hint(" ".join(words), len(words) / num_words, "", **cut)
    return Hint("", 0.0, "context" if clean else "leak" if asked else "empty" if num_words else "no_trace", **cut)
