"""Whether two models differ on the same questions, when each is right or wrong: McNemar's exact test."""

from __future__ import annotations

from collections.abc import Sequence


def mcnemar(first: Sequence[float], second: Sequence[float]) -> float:
    """The two-sided p-value, 0 to 1, of as uneven a split of the questions that one of the two has right alone.

    Were the models equally good, each such question would be either's with probability 1/2 (McNemar 1947; exact
    binomial). Questions that both have right, or both wrong, say nothing of their difference; with those alone p is 1.
    `first` and `second` are 0 or 1, of the same questions in the same order; ValueError for anything else.
    """
    if {*first, *second} - {0.0, 1.0}:
        raise ValueError("McNemar's test takes right (1) and wrong (0); of other scores take the bootstrap interval")
    alone = [a for a, b in zip(first, second, strict=True) if a != b]
    fewer = int(min(sum(alone), len(alone) - sum(alone)))
    ways = term = 1  # C(n, 0), then up to C(n, fewer), each from the one before
    for i in range(fewer):
        term = term * (len(alone) - i) // (i + 1)
        ways += term
    return min(1.0, 2 * ways / (1 << len(alone)))
