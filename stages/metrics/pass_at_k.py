"""pass@k without bias (arXiv:2107.03374, Eq. 1), for scores that need not be 0 or 1."""

from __future__ import annotations

import math
from collections.abc import Sequence


def pass_at_k(scores: Sequence[float], k: int) -> float:
    """The mean, over every choice of `k` of the responses to one sample, of the best score among them.

    Of right (1) and wrong (0) responses that is 1 - C(n - c, k) / C(n, k), the chance that k of n responses hold one of
    the c right ones; k = 1 is the mean. Raises ValueError if there are fewer than k responses.
    """
    n = len(scores)
    if not 1 <= k <= n:
        raise ValueError(f"pass@{k} of {n} responses: k is from 1 to the number of responses; sample more, or lower k")
    # The i-th smallest score is the best of those choices that hold it and k - 1 of the i smaller ones.
    ways = sum(math.comb(i, k - 1) * score for i, score in enumerate(sorted(scores)))
    return ways / math.comb(n, k)


def powers_up_to(n: int) -> list[int]:
    """The k that a table shows: 1, 2, 4, ... and `n` itself."""
    return sorted({2**i for i in range(n.bit_length())} | {n}) if n else []
