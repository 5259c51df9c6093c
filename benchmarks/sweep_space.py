"""What the sweep may choose: for each algorithm the settings of its first try, and the values of the later ones."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

import numpy as np

from storage.digest import derive_seed

T = TypeVar("T")
COMMON: dict[str, list[float]] = {
    "train.learning_rate": [5e-5, 1e-4, 2e-4, 4e-4],
    "train.kl_weight": [0.0, 0.02, 0.1, 0.5, 1.0],
    "train.updates_per_batch": [1, 2, 4],
}
"""Drawn for every algorithm."""
OWN: dict[str, dict[str, list[float | str]]] = {
    "reg_grpo": {
        "train.loss.std_floor": [0.003, 0.01, 0.03, 0.1, 0.3],
        "train.loss.normaliser": ["exact", "smooth", "detached", "fixed"],
        "train.kl_reduction": ["mean", "sum"],
    },
    "reinforce": {"train.loss.baseline": [0.0, 1.0, 1.5]},
    "rebel": {"train.loss.eta": [0.1, 0.3, 1.0, 3.0]},
    "reward_regression": {"train.loss.kl_strength": [0.3, 1.0, 3.0, 10.0]},
    "dpo": {"train.loss.beta": [0.03, 0.1, 0.3]},
    "online_dpo": {"train.loss.beta": [0.03, 0.1, 0.3]},
}
"""Drawn for one algorithm."""
FIRST: dict[str, list[str]] = {
    "reg_grpo": ["train.updates_per_batch=2", "train.kl_weight=1.0"],
    "dpo": ["train.kl_weight=0.0"],
    "online_dpo": ["train.kl_weight=0.0"],
}
"""The first try where it is not the preset's: METHOD.md section 2 for Reg-GRPO; DPO's KL is implicit in beta."""
NEEDED = {"dpo": ['rollout.policy="reference"'], "dr_grpo": ["train.loss.max_tokens=40"]}
"""Without which an algorithm is not itself: DPO's pairs are the reference's, Dr. GRPO divides by the longest length."""


def settings_of(loss: str, number: int) -> list[str]:
    """The overrides of an algorithm's try `number`, from 0."""
    fixed = [f'train.loss={{type="{loss}"}}', *NEEDED.get(loss, [])]
    if number == 0:
        return [*fixed, *FIRST.get(loss, [])]
    choices = {name: _in_turn(name, values, number - 1) for name, values in (COMMON | OWN.get(loss, {})).items()}
    return fixed + [f"{name}={value!r}" for name, value in choices.items()]


def _in_turn(name: str, values: Sequence[T], turn: int) -> T:
    """Every value once before any twice, in an order that is the same for all algorithms and differs between names."""
    cycle, place = divmod(turn, len(values))
    order = np.random.default_rng(derive_seed(0, "sweep", name, cycle)).permutation(len(values))
    return values[order[place]]
