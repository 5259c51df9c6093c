"""How much a stage does at most, told from the settings alone: responses, tokens, optimiser steps, bytes on disk.

Upper bounds: as many samples are augmented as may be (none in the first round, if there is no window to compare with
yet), every group is trained on, every response is as long as it may be. Bytes of tables and videos are estimates.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from functools import cached_property
from math import prod
from pathlib import Path

from safetensors import safe_open

from flows.config import RunConfig
from stages.share import num_within
from storage.errors import UserError
from trainer.config import LoraConfig

FLOAT_BYTES = 4
ROW_BYTES = 400  # a rollout with its prompt, compressed: measured 300 to 500 on the embedded data set
TOKEN_BYTES = 5  # its ids and log-prob, compressed: 113 MB for 22.6 M tokens
PIXELS_A_TOKEN, FRAMES_A_TOKEN = 28 * 28, 2  # of Qwen2.5-VL's encoder
TEXT_TOKENS = 100  # template, question, options and instruction


@dataclass(frozen=True)
class Amounts:
    """What is done, at most. augmented: augmented and control responses; traces: responses to guided prompts."""

    samples: int = 0
    original: int = 0
    augmented: int = 0
    traces: int = 0
    validation: int = 0
    prompts: int = 0
    tokens: int = 0
    steps: int = 0
    checkpoint_bytes: int = 0
    other_bytes: int = 0

    def __add__(self, other: Amounts) -> Amounts:
        return Amounts(*(getattr(self, f.name) + getattr(other, f.name) for f in fields(Amounts)))


@dataclass(frozen=True)
class PolicySize:
    """The size of a policy, measured from the checkpoint that training starts from, and of its adapter with `lora`."""

    checkpoint: Path
    lora: LoraConfig | None = None

    @cached_property
    def bytes(self) -> int:
        """What a round's training keeps, in float32: checkpoint, two moments of each trained weight, adapter."""
        files = sorted(self.checkpoint.glob("*.safetensors"))
        if not files:
            raise UserError(f"{self.checkpoint}: holds no *.safetensors, whose sizes a plan needs; convert the weights")
        total = sum(path.stat().st_size for path in self.checkpoint.iterdir() if path not in files)
        for path in files:
            with safe_open(path, framework="numpy") as weights:
                for name in weights.keys():  # noqa: SIM118 - no mapping
                    shape = weights.get_slice(name).get_shape()
                    total += FLOAT_BYTES * (prod(shape) + self._trained(name, shape))
        return total

    def _trained(self, name: str, shape: Sequence[int]) -> int:
        """Values kept beside a weight: its moments if it is trained, or its adapter's matrices with theirs."""
        if "visual" in name:  # the encoder is frozen
            return 0
        if self.lora is None:
            return 2 * prod(shape)
        *_, layer, _ = f".{name}".split(".")
        adapted = self.lora.target_modules == "all-linear" or layer in self.lora.target_modules
        return 3 * self.lora.rank * sum(shape) if adapted and ".layers." in name and len(shape) == 2 else 0


def prompt_tokens(config: RunConfig, video_share: float, image_share: float) -> int:
    """An estimate of the mean prompt's length: video and image at their largest size, and a text of usual length.

    video_share, image_share: of the samples that show one, 0 to 1 each; a sample may show both.
    """
    steps = video_share * -(-config.video.num_frames // FRAMES_A_TOKEN) + image_share
    return round(steps * config.video.max_pixels / PIXELS_A_TOKEN) + TEXT_TOKENS


def stage_amounts(config: RunConfig, size: PolicySize, stage: str, round_index: int, num_validation: int) -> Amounts:
    """What one stage of one round does, at most; `num_validation` samples are evaluated on."""
    samples, group, longest = config.select.samples_per_round, config.rollout.group_size, config.rollout.max_new_tokens
    augment = config.augment
    compared = round_index > 0 or config.difficulty.reference == "absolute"
    augments = compared and (augment.increasing, augment.decreasing) != ("off", "off")
    augmented = num_within(samples, augment.max_share) if augments else 0
    response_bytes = ROW_BYTES + TOKEN_BYTES * longest
    if stage == "select":
        return Amounts(samples=samples)
    if stage == "rollout":
        num = samples * group
        return Amounts(original=num, prompts=samples, tokens=num * longest, other_bytes=num * response_bytes)
    if stage == "augment":
        traces = augmented * augment.num_traces if augment.decreasing != "off" else 0
        altered = augment.storage == "video" and (augment.increasing != "off" or augment.decreasing == "cue")
        video = config.video.num_frames * config.video.max_pixels * 3 if altered else 0  # noise is raw bytes
        size_of_all = max(traces * response_bytes, augmented * video)  # a sample is hinted or altered, never both
        prompts = augmented if augment.decreasing != "off" else 0
        return Amounts(traces=traces, prompts=prompts, tokens=traces * longest, other_bytes=size_of_all)
    if stage == "rollout_augmented":
        prompts = augmented * (2 if augment.control_fraction else 1)
        num = prompts * group
        return Amounts(augmented=num, prompts=prompts, tokens=num * longest, other_bytes=num * response_bytes)
    if stage == "curate":
        return Amounts(other_bytes=samples * group * response_bytes)
    if stage == "train":
        steps = -(-samples // config.train.groups_per_batch) * config.train.updates_per_batch
        logprobs = samples * group * longest * 2 * FLOAT_BYTES
        return Amounts(steps=steps, checkpoint_bytes=size.bytes, other_bytes=logprobs)
    if stage == "evaluate":
        prompts, most = num_validation, config.evaluate.max_new_tokens
        num = prompts * (1 + config.evaluate.num_samples)
        return Amounts(validation=num, prompts=prompts, tokens=num * most, other_bytes=num * (ROW_BYTES + most))
    return Amounts()
