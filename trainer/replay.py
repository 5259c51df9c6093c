"""A round's training once more, from its start, writing nothing: do the same steps come out?"""

from __future__ import annotations

import itertools
from collections.abc import Iterable

from storage.progress import Progress
from storage.records import OldLogprobs, TrainStep
from trainer.config import TrainConfig
from trainer.training import Training, TrainInputs
from trainer.updates import updates


def replay(
    inputs: TrainInputs,
    config: TrainConfig,
    old_logprobs: Iterable[OldLogprobs],
    num_steps: int,
    progress: Progress,
) -> list[TrainStep]:
    """The first `num_steps` optimiser steps from what the round began with: policy, optimiser, log-probs."""
    training = Training(inputs, config, progress)
    stored = {(row.group_id, row.rollout_index): row for row in old_logprobs}
    return [step for step, _ in itertools.islice(updates(training, training.encode(), stored), num_steps)]
