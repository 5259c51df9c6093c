"""The blocks of a response: `<think>...</think>`, `<answer>...</answer>`, and of some problem types `<glue>...</glue>`.

`<glue>` holds the time spans that show the answer; the tag is that of the recipe for NExT-GQA which the paper follows
(VideoChat-R1, arXiv:2504.06958). Tags are lower-case and have no attributes.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from storage.records import ProblemType

GROUNDED: frozenset[ProblemType] = frozenset({"temporal_grounding", "grounded_choice"})
"""Problem types that ask for time spans: as the answer, or in a block of their own behind it."""


def block_names(problem_type: ProblemType) -> tuple[str, ...]:
    """The blocks that a response to this problem type has, in their order."""
    return ("think", "answer", "glue") if problem_type == "grounded_choice" else ("think", "answer")


def is_blocks(text: str, names: Sequence[str]) -> bool:
    """Whether all of `text` is one block of each name, in this order, with only white space between and around them.

    Blocks may be empty, and hold anything but the tags of `names`.
    """
    if any(text.count(tag) != 1 for name in names for tag in (f"<{name}>", f"</{name}>")):
        return False
    pattern = r"\s*".join(f"<{name}>.*</{name}>" for name in names)
    return re.fullmatch(rf"\s*{pattern}\s*", text, re.DOTALL) is not None


def block(text: str, name: str, behind: Sequence[str] = ()) -> str | None:
    """What the only block of this name holds, stripped; anything may stand before it.

    None if there is no such block or more than one, or if anything but white space follows it; the blocks `behind` may,
    all of them.
    """
    if text.count(f"<{name}>") != 1 or text.count(f"</{name}>") != 1:
        return None
    before, _, after = text.partition(f"</{name}>")
    _, opened, inside = before.partition(f"<{name}>")
    if not opened or (after.strip() and not is_blocks(after, behind)):
        return None
    return inside.strip()
