"""Hints for hard samples: the first part of a good reasoning trace, without the answer (METHOD.md, section 5).

arXiv:2506.07464 puts the ground truth into the prompt, samples several trajectories, keeps the one with the highest
reward and reveals part of its reasoning. Departure: the paper does not say how the answer is kept out of what is
revealed; here the part is cut before the first word that completes a leak (`stages.leak`).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from stages.leak import without_leak
from stages.rewards import Reward
from storage.records import Sample


@dataclass(frozen=True, slots=True)
class Hint:
    """Revealed reasoning, or the reason why there is none.

    text: words of the trace, joined by single spaces; '' for no hint.
    fraction: the share of the trace's words in `text`, 0 to 1, after cutting.
    reason: '' with a hint; else 'no_trace' (nothing to reveal), 'empty' (the fraction reveals no word) or 'leak'.
    """

    text: str
    fraction: float
    reason: str


def reasoning(response: str) -> str:
    """The text inside the first `<think>...</think>`, stripped; '' if there is no complete block.

    Also '' for a response that spells a special token such as `<|video_pad|>`: in a hint it would become one.
    """
    if "<|" in response:
        return ""
    _, _, inside = response.partition("<think>")
    trace, closed, _ = inside.partition("</think>")
    return trace.strip() if closed else ""


def best_trace(rewards: Sequence[Reward]) -> int | None:
    """The index of the highest total, ties to the first; None if no trajectory earns more than the format reward.

    A trajectory earns more with accuracy or IoU, so one that is right without the format counts, and one that has the
    format alone never does, whatever the parts weigh.
    """
    earning = [index for index, reward in enumerate(rewards) if reward.accuracy or reward.iou]
    return max(earning, key=lambda index: rewards[index].total, default=None)


def partial(trace: str, fraction: float) -> str:
    """The first ceil(fraction * n) of the n words of `trace`, joined by spaces; the whole trace only for fraction 1.

    Raises ValueError for a fraction outside 0..1.
    """
    if not 0.0 <= fraction <= 1.0:
        raise ValueError(f"hint fraction {fraction} is outside 0..1; give the share of the trace to reveal")
    words = trace.split()
    # 0.07 * 100 is 7.000000000000001 in floats, and its ceiling one word too many.
    count = math.ceil(fraction * len(words) - 1e-9)
    return " ".join(words[: count if fraction == 1.0 else min(count, len(words) - 1)])


def make_hint(trace: str, sample: Sample, fraction: float) -> Hint:
    """The first `fraction` of `trace`, cut back to its longest prefix of whole words that does not leak.

    Raises ValueError for a fraction outside 0..1.
    """
    num_words = len(trace.split())
    revealed = partial(trace, fraction).split()
    words = without_leak(revealed, sample)
    if words:
        return Hint(" ".join(words), len(words) / num_words, "")
    return Hint("", 0.0, "leak" if revealed else "empty" if num_words else "no_trace")
