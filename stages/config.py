"""The settings of the stages: frozen, bounded, documented; a field's value is part of its stage's key."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from storage.container import TIMEOUT_SECONDS
from storage.sampling import AtRate, Choice, Uniform

Share = Annotated[float, Field(ge=0.0, le=1.0)]
Positive = Annotated[float, Field(gt=0.0)]
HintUnit = Literal["sentences", "words", "tokens"]
PromptStyle = Literal["short", "full"]


class Config(BaseModel):
    """Base of every settings class: frozen, no unknown field, no infinity; field docstrings kept as descriptions."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, use_attribute_docstrings=True)


class EngineConfig(Config):
    """The inference engine."""

    type: Literal["vllm", "deterministic"] = "vllm"
    """`vllm` generates with the policy; `deterministic` answers from a hash of the request, for tests of the loop."""
    dtype: Literal["float32", "bfloat16"] = "bfloat16"
    """Precision of the engine's weights and activations."""
    max_model_len: Annotated[int, Field(ge=64)] = 16384
    """Longest prompt plus response, tokens."""
    max_num_seqs: Annotated[int, Field(ge=1)] = 256
    """Responses generated at the same time."""
    enforce_eager: bool = False
    """Skip compilation and CUDA graphs: right for tiny models, slower for large ones."""
    gpu_memory_utilization: Share = 0.85
    """Share of the GPU's memory that the engine takes while it holds a policy."""
    cpu_kv_cache_gib: Positive = 4
    """Memory for keys and values on a CPU, GiB."""


class VideoConfig(Config):
    """How a video, and an image beside it or alone, become the model's input."""

    num_frames: Annotated[int, Field(ge=1)] = 16
    """Frames sampled uniformly from each video, all if it has fewer (paper: at most 16)."""
    frames_per_second: Positive | None = None
    """Frames shown of each second, `num_frames` at most; without it, `num_frames` whatever the length."""
    timeout_seconds: Positive = TIMEOUT_SECONDS
    """A video that is not read within this time is dropped, with the reason; not part of a stage's key."""
    min_pixels: Annotated[int, Field(ge=28 * 28)] = 28 * 28
    """A frame or image with fewer pixels is enlarged to this many."""
    max_pixels: Annotated[int, Field(ge=28 * 28)] = 252 * 252
    """A frame or image with more pixels is reduced to this many (paper: 252 x 252; of the image it says nothing)."""

    cache_gib: Annotated[float, Field(ge=0.0)] = 4.0
    """Decoded frames kept in the run directory, GiB, the least recently used left out; 0: every stage decodes anew. Not
    part of a stage's key."""

    @property
    def choice(self) -> Choice:
        """Which frames of a video are shown."""
        if self.frames_per_second is None:
            return Uniform(self.num_frames)
        return AtRate(self.frames_per_second, self.num_frames)

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.min_pixels > self.max_pixels:
            raise ValueError(f"min_pixels is {self.min_pixels}, max_pixels {self.max_pixels}: give at least as many")
        return self


class PromptsConfig(Config):
    """What a prompt says besides the question."""

    style: PromptStyle = "full"
    """`full`: the instruction, an example of a response, and where seconds are asked for the times of the frames;
    `short`: the instruction alone, which the embedded policy was warmed up on."""


class SelectConfig(Config):
    """Which samples a round sees."""

    samples_per_round: Annotated[int, Field(ge=1)] = 64
    """Samples drawn each round, without replacement within an epoch."""


class RolloutConfig(Config):
    """How responses are sampled, in every pass."""

    group_size: Annotated[int, Field(ge=2)] = 8
    """Responses a sample, G (paper: 8)."""
    policy: Literal["current", "reference"] = "current"
    """Who samples, hints included: the policy that is trained, or the frozen reference in every round, for `dpo` and
    `sft` (paper, Table 5: DPO)."""
    temperature: Annotated[float, Field(gt=0.0, le=2.0)] = 1.0
    """Sampling temperature, at most 2 (vLLM's own bound); the trainer divides its logits by the same value."""
    max_new_tokens: Annotated[int, Field(ge=1)] = 256
    """Longest response, tokens."""
    shard_size: Annotated[int, Field(ge=1)] = 16
    """Samples a committed shard: what a killed rollout can lose."""


class RewardsConfig(Config):
    """What the parts of a reward weigh (paper: 1 each)."""

    format_weight: Annotated[float, Field(ge=0.0)] = 1.0
    """Weight of the format: the response is one think block and one answer block."""
    accuracy_weight: Annotated[float, Field(gt=0.0)] = 1.0
    """Weight of a right answer; never 0, since nothing else asks for one."""
    iou_weight: Annotated[float, Field(ge=0.0)] = 1.0
    """Weight of the IoU of time spans, where the question asks when."""


class DifficultyConfig(Config):
    """Eq. 9 and the level that an augmentation takes from it."""

    reference: Literal["relative", "absolute"] = "relative"
    """What a group's mean reward is compared with: `relative`, the mean of the replay window; `absolute`, a constant,
    in the first round too (paper, Table 6)."""
    absolute_reward: Share = 0.5
    """That constant, of rewards divided by their maximum. Ours: the paper gives none."""
    window_unit: Literal["samples", "rounds"] = "samples"
    """What `window_size` counts: original groups, whatever round they are of, or whole rounds."""
    window_size: Annotated[int, Field(ge=1)] = 100
    """Original groups (or rounds) before this round in the replay buffer, W (paper: 100)."""
    scaling: Literal["adaptive", "fixed"] = "adaptive"
    """`adaptive`: the level grows with |delta_R|, by `scale`, `max_level` and `min_level`; `fixed`: every sample off
    the reference has the level `fixed_level`, however far off it is (paper, Table 8)."""
    fixed_level: Share = 0.5
    """That level. Ours: the paper gives none."""
    scale: Positive = 0.5
    """|delta_R| (of rewards divided by their maximum) that gives the highest level. Ours: the paper gives none."""
    max_level: Share = 1.0
    """Ceiling of an adaptive level."""
    min_level: Share = 0.5
    """A sample whose adaptive level is below this is kept as it is. Ours: the paper gives none."""

    @model_validator(mode="after")
    def _reachable(self) -> Self:
        if self.scaling == "adaptive" and self.min_level > self.max_level:
            raise ValueError(
                f"min_level is {self.min_level}, max_level {self.max_level}: no level is between them; "
                "to augment nothing, switch both directions of augment off"
            )
        return self


class AugmentConfig(Config):
    """What is done to hard and easy samples."""

    decreasing: Literal["hint", "cue", "off"] = "hint"
    """For hard samples (paper, Table 7: down): `hint`, a part of a reasoning trace; `cue`, the frames inside the
    sample's time spans pointed out, and a hint to samples without spans, to those that ask for the spans, and where
    the spans hold none or all of the shown frames; `off`, nothing."""
    increasing: Literal["noise", "mask", "off"] = "noise"
    """For easy samples (paper, Table 7: up): `noise` on every frame and the image, `mask` some frames (black), `off`
    nothing."""
    max_noise_sigma: Annotated[float, Field(ge=0.0, le=255.0)] = 100.0
    """Pixel noise at level 1, in units of 0..255. Ours: the paper gives none."""
    max_mask_share: Share = 0.5
    """Share of the shown frames that are masked at level 1; one frame is always left. Ours: the paper gives none."""
    cue: Literal["keep", "mark"] = "mark"
    """How frames are pointed out: `keep` masks those outside the spans, `mark` puts a border on those inside."""
    storage: Literal["video", "seed"] = "video"
    """Where altered frames are kept: `video` writes a lossless file for each sample; `seed` writes none, and the
    frames are altered whenever they are read, to the same bytes if every machine has the same OpenCV."""
    max_hint_fraction: Share = 0.5
    """Share of the reasoning trace that a hint shows at level 1, in `hint_unit`. Ours: the paper gives none."""
    hint_unit: HintUnit = "words"
    """What the shown share of a trace counts. `words` is the default because a trace of one sentence, as the embedded
    data's policy often writes, would show all or nothing in `sentences`; those suit long traces, whose hints then stop
    where a thought does. `tokens` are the policy's own, so rare words and digits weigh more; a word shows once all its
    tokens count. Ours: the paper does not say."""
    num_traces: Annotated[int, Field(ge=1)] = 4
    """Trajectories sampled from the ground-truth-guided prompt, of which the best becomes the hint."""
    control_fraction: Share = 0.1
    """Share of the augmented samples whose original input is sampled once more, to measure the effect."""
    max_share: Share = 1.0
    """At most this share of a round's rolled-out samples is augmented, those with the largest |delta_R| first."""
    shard_size: Annotated[int, Field(ge=1)] = 32
    """Samples a committed shard."""


class CurateConfig(Config):
    """What the trainer reads."""

    noisy_rollout: bool = False
    """Train samples whose video was altered on clean input, with a group of which one half was sampled on the clean
    video and the other on the altered one (NoisyRollout, arXiv:2504.13055); needs an even `rollout.group_size`."""
    equal_rewards: Literal["drop", "keep"] = "drop"
    """What becomes of groups whose rewards are all equal: `drop` leaves them out of batches, divisor and KL; `keep`
    trains on them, so that they count in the divisor and have their KL; `reinforce` and `sft` learn from them too,
    `rebel` and `reward_regression` hold their responses where they are."""
    shard_size: Annotated[int, Field(ge=1)] = 64
    """Groups a training shard."""


class EvaluateConfig(Config):
    """Responses to the validation split: greedy ones, and sampled ones if asked for.

    In a run, those of the policy that enters a round and of the last one.
    """

    every: Annotated[int, Field(ge=1)] = 1
    """Rounds between evaluations; the first and the last policy are always evaluated."""
    num_samples: Annotated[int, Field(ge=0)] = 0
    """Responses sampled to each question besides the greedy one, for pass@k and the majority vote; 0: none."""
    temperature: Annotated[float, Field(gt=0.0, le=2.0)] = 1.0
    """Their sampling temperature, at most 2 (vLLM's own bound)."""
    top_p: Annotated[float, Field(gt=0.0, le=1.0)] = 1.0
    """They take each token from the likeliest ones whose probabilities add up to this; 1: from all."""
    max_new_tokens: Annotated[int, Field(ge=1)] = 256
    """Longest response, tokens."""
    shard_size: Annotated[int, Field(ge=1)] = 64
    """Samples a committed shard."""
