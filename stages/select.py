"""Stage `select`: the samples of a round, seeded and without replacement within an epoch."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from stages.config import SelectConfig
from storage.digest import derive_seed
from storage.errors import UserError
from storage.records import Selected

STAGE_VERSION = 1


def select(
    sample_ids: Sequence[str], config: SelectConfig, *, run_id: str, seed: int, round_index: int
) -> list[Selected]:
    """The round's samples in order: a function of the ids, the seed and the round alone.

    Each epoch is a new seeded order of all samples; rounds take it piece by piece. Where a round reaches into the next
    epoch, samples it holds already wait for the round after, so that no round holds a sample twice.
    Raises UserError if the data set has fewer samples than a round needs.
    """
    size = config.samples_per_round
    if size > len(sample_ids):
        raise UserError(
            f"select.samples_per_round is {size}, but the training split has {len(sample_ids)} samples; "
            "a round holds each sample at most once: ask for fewer, or add data"
        )
    order = _epochs(sorted(sample_ids), seed)
    waiting: list[tuple[int, str]] = []
    chosen: list[tuple[int, str]] = []
    for _ in range(round_index + 1):
        chosen, passed_over = [], []
        taken: set[str] = set()
        queue = iter(waiting)
        while len(chosen) < size:
            epoch, sample_id = next(queue, None) or next(order)
            if sample_id in taken:
                passed_over.append((epoch, sample_id))
            else:
                taken.add(sample_id)
                chosen.append((epoch, sample_id))
        waiting = passed_over + list(queue)
    return [Selected(run_id, round_index, i, epoch, sample_id) for i, (epoch, sample_id) in enumerate(chosen)]


def _epochs(sample_ids: list[str], seed: int) -> Iterator[tuple[int, str]]:
    epoch = 0
    while True:
        for i in np.random.default_rng(derive_seed(seed, "select", epoch)).permutation(len(sample_ids)):
            yield epoch, sample_ids[i]
        epoch += 1
