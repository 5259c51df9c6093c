"""The Engine protocol: what a stage may ask of whatever generates responses."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np

from storage.frames import Shown


class EngineError(Exception):
    """The engine cannot be trusted: it holds other weights than it should, or returned something malformed."""


@dataclass(frozen=True, slots=True)
class Policy:
    """A checkpoint folder on this machine and the file of its probe; `version` counts training rounds from 0."""

    path: Path
    probe: Path
    version: int


@dataclass(frozen=True, slots=True)
class Sampling:
    """How to sample: `num_responses` a request; temperature 0 is greedy; `max_new_tokens` bounds each response; a token
    is one of the likeliest whose probabilities add up to `top_p`."""

    num_responses: int
    temperature: float
    max_new_tokens: int
    top_p: float = 1.0


@dataclass(frozen=True, slots=True, eq=False)
class Request:
    """A rendered prompt with a placeholder for each thing shown, what is shown, and the seed of its responses."""

    prompt: str
    shown: Shown
    seed: int


@dataclass(frozen=True, slots=True, eq=False)
class Completion:
    """One response. token_ids: int32 [T]; logprobs: float32 [T], after temperature and masks; ends with its end token
    unless `finish_reason` is "length"."""

    text: str
    token_ids: np.ndarray
    logprobs: np.ndarray
    finish_reason: str


@dataclass(frozen=True, slots=True, eq=False)
class Generation:
    """The responses to one request. prompt_token_ids: int32 [P], vision placeholders expanded."""

    prompt_token_ids: np.ndarray
    completions: tuple[Completion, ...]


class Engine(Protocol):
    """Generates with one policy at a time."""

    holds_policy: bool
    """False for an engine without a model, whose log-probs say nothing of the policy."""

    def load(self, policy: Policy) -> None:
        """Makes `policy` the one that generates; raises EngineError if its probe does not confirm the new weights."""

    def generate(self, requests: Sequence[Request], sampling: Sampling) -> list[Generation]:
        """Samples responses to all `requests` in one batch, in their order. Vision tokens are never sampled."""

    def score(self, sequences: Sequence[np.ndarray]) -> list[np.ndarray]:
        """Log-probs of given text tokens: int [T] each in, float32 [T - 1] each out (each token after the first)."""

    def release(self) -> None:
        """Frees the accelerator for the trainer; `load` takes it again."""
