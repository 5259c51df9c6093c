"""The optimiser of every part of the warm-up: AdamW, a short rise, a cosine fall, gradients clipped to norm 1."""

from __future__ import annotations

import logging
import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import torch

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Schedule:
    """Steps, batch size (clips, texts or examples) and peak learning rate of one part of the warm-up."""

    steps: int
    batch_size: int
    learning_rate: float


class Learner:
    """Takes the steps of a schedule and keeps their losses."""

    def __init__(self, name: str, parameters: Iterable[torch.Tensor], schedule: Schedule) -> None:
        self.name, self.schedule, self.losses = name, schedule, list[float]()
        self.parameters = list(parameters)
        self.optimizer = torch.optim.AdamW(
            self.parameters, lr=schedule.learning_rate, betas=(0.9, 0.98), weight_decay=0.01
        )

    def step(self, loss: torch.Tensor) -> None:
        """One update; logs the mean of the last 20 losses every 100 steps."""
        for group in self.optimizer.param_groups:
            group["lr"] = self.schedule.learning_rate * self._factor(len(self.losses))
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.parameters, 1.0)
        self.optimizer.step()
        self.losses.append(loss.item())
        if len(self.losses) % 100 == 0:
            logger.info("%s step %d: loss %.4f", self.name, len(self.losses), self.recent_loss())

    def recent_loss(self) -> float:
        """Mean of the last 20 losses."""
        return float(np.mean(self.losses[-20:]))

    def _factor(self, step: int) -> float:
        """Rises to 1 over the first twentieth of the steps and falls to a tenth, along a cosine."""
        rise = max(1, self.schedule.steps // 20)
        return min(1.0, (step + 1) / rise) * (0.55 + 0.45 * math.cos(math.pi * step / self.schedule.steps))


def drawn_without_replacement(rng: np.random.Generator, size: int, schedule: Schedule) -> Iterable[list[int]]:
    """The positions, below `size`, of each step's batch: pass after pass, each in its own order."""
    order: list[int] = []
    for _ in range(schedule.steps):
        while len(order) < schedule.batch_size:
            order += rng.permutation(size).tolist()
        yield order[: schedule.batch_size]
        order = order[schedule.batch_size :]
