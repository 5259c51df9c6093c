"""Which process (a rank) trains on which groups of a batch: whole groups, about as many tokens for every rank.

Longest processing time first (R. L. Graham, 1969): the largest group that is left goes to the rank with the fewest
tokens. The fullest rank has then at most 4/3 of the tokens that the best sharing out would give it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from trainer.batch import forward_passes


class Member(NamedTuple):
    """A group by its position in training order, with its packed tokens."""

    position: int
    num_tokens: int


@dataclass(frozen=True)
class Pass:
    """A forward pass over the groups at some positions. share: their part of the batch's groups; 0 for a repeat."""

    positions: Sequence[int]
    share: float


def spread(batch: Sequence[Member], num_ranks: int, max_tokens: int) -> list[list[Pass]]:
    """The forward passes of each rank over a batch, equally many for all; of a single rank those of the batch in order.

    FSDP2 brings the weights together in every pass, which takes all ranks: one with fewer passes goes over the batch's
    smallest group again, at share 0, which changes no gradient.
    """
    cuts = [forward_passes(own, max_tokens) if own else [] for own in balanced(batch, num_ranks)]
    most = max(map(len, cuts))
    repeat = Pass([min(batch, key=lambda member: member.num_tokens).position], 0.0)
    return [
        [Pass([m.position for m in some], len(some) / len(batch)) for some in cut] + [repeat] * (most - len(cut))
        for cut in cuts
    ]


def balanced(batch: Sequence[Member], num_ranks: int) -> list[list[Member]]:
    """The members of each rank, in the order of the batch."""
    ranks: list[list[Member]] = [[] for _ in range(num_ranks)]
    for member in sorted(batch, key=lambda member: -member.num_tokens):  # stable: equal sizes keep their order
        min(ranks, key=lambda own: sum(m.num_tokens for m in own)).append(member)
    return [sorted(own) for own in ranks]


def spread_round(
    sizes: Sequence[int], groups_per_batch: int, num_ranks: int, max_tokens: int
) -> list[list[list[Pass]]]:
    """The forward passes of each rank, by batch. sizes: packed tokens of a round's groups in training order."""
    members = [Member(i, size) for i, size in enumerate(sizes)]
    starts = range(0, len(members), groups_per_batch)
    batches = [spread(members[start : start + groups_per_batch], num_ranks, max_tokens) for start in starts]
    return [[ranks[rank] for ranks in batches] for rank in range(num_ranks)]


def counted(batches: Sequence[Sequence[Pass]]) -> list[int]:
    """The positions of the groups in a rank's passes, repeats left out, in training order."""
    return sorted(i for passes in batches for some in passes if some.share for i in some.positions)
