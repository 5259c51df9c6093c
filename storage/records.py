"""The records that flow between stages: one frozen dataclass a table row, token arrays as numpy.

`storage/schema.py` holds the Arrow schema of each; DESIGN.md's word table defines every name.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import numpy as np

ProblemType = Literal[
    "multiple_choice", "grounded_choice", "yes_no", "number", "short_text", "free_text", "temporal_grounding"
]
Pass = Literal["original", "augmented", "control"]
Kind = Literal["none", "noise", "mask", "hint", "cue"]
Label = Literal["hard", "easy", "kept"]
Modality = Literal["video", "image"]


@dataclass(frozen=True, slots=True)
class Media:
    """The files that a sample shows: a video, an image beside it, or an image alone; None where there is none.

    Paths are relative to the run if inside it. A digest is None too if its file could not be read when the run began.
    part_start, part_end: seconds from the video's first frame, if only this part of it is shown; both None if all is.
    """

    video_path: str | None = None
    video_sha256: str | None = None
    image_path: str | None = None
    image_sha256: str | None = None
    part_start: float | None = None
    part_end: float | None = None

    @property
    def part(self) -> tuple[float, float] | None:
        """Start and end of what is shown of the video; None if all is."""
        return None if self.part_start is None or self.part_end is None else (self.part_start, self.part_end)

    @property
    def modalities(self) -> tuple[Modality, ...]:
        """What is shown, in the order of the prompt."""
        shown: dict[Modality, str | None] = {"video": self.video_path, "image": self.image_path}
        return tuple(modality for modality, path in shown.items() if path is not None)

    @property
    def paths(self) -> list[str]:
        """The files that there are, the video first."""
        return [path for path in (self.video_path, self.image_path) if path is not None]


@dataclass(frozen=True, slots=True)
class Sample:
    """One question about one video, one image, or both: an image beside a video is shown after it.

    `answer` is the ground truth in canonical form: a capital letter for `multiple_choice` and `grounded_choice` (index
    into `options`, which no other type has), `yes` or `no` for `yes_no`, digits for `number`, the word or phrase for
    `short_text`, the sentence for `free_text`, `0.5 to 1.5` for `temporal_grounding`. `spans` are (start, end) in
    seconds: the truth of `temporal_grounding`, and what `grounded_choice` asks for besides the letter. `task_level`:
    how far from the training data a validation sample is, as its benchmark names it (SEED-Bench-R1: L1, L2, L3).
    `category`, `domain`, `duration_group`: the benchmark's own names for the kind of task, the world it is set in and
    how long the video is. All four are None where the benchmark has no such thing. `subtitles`: what is said in the
    video, one line each, in order. `part_start`, `part_end`: as in Media; `spans` count from the part's start.
    """

    sample_id: str
    video_path: str | None
    question: str
    answer: str
    problem_type: ProblemType
    options: tuple[str, ...] = ()
    spans: tuple[tuple[float, float], ...] = ()
    split: str = "train"
    video_sha256: str | None = None
    task_level: str | None = None
    category: str | None = None
    domain: str | None = None
    duration_group: str | None = None
    image_path: str | None = None
    subtitles: tuple[str, ...] = ()
    image_sha256: str | None = None
    part_start: float | None = None
    part_end: float | None = None

    @property
    def media(self) -> Media:
        """What the sample shows, as it is in the data."""
        files = (self.video_path, self.video_sha256, self.image_path, self.image_sha256)
        return Media(*files, self.part_start, self.part_end)


@dataclass(frozen=True, slots=True)
class Rejected:
    """An annotation row that became no sample. line: from 1, or the key of a row that has no line of its own."""

    file: str
    line: str
    field: str
    value: str
    rule: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.field} is {self.value}: {self.rule}"


@dataclass(frozen=True, slots=True)
class Selected:
    """A sample's place in a round; `position` orders the round, `epoch` counts passes over the data."""

    run_id: str
    round_index: int
    position: int
    epoch: int
    sample_id: str


def _no_frames() -> np.ndarray:
    return np.zeros(0, np.int64)


@dataclass(frozen=True, slots=True, eq=False)
class Alteration:
    """What was done to what a sample shows, all that a reader needs to see it; by default nothing.

    noise_sigma: asked for, in 0..255, on every frame and on the image. masked_frames (black), marked_frames (with a
    border): int64, positions among the shown frames of the video, from 0. altered_on_read: the paths are the originals,
    and whoever reads them alters what they show; if not, the files hold the altered pixels.
    """

    noise_sigma: float | None = None
    noise_seed: int | None = None
    masked_frames: np.ndarray = field(default_factory=_no_frames)
    marked_frames: np.ndarray = field(default_factory=_no_frames)
    altered_on_read: bool = False

    @property
    def is_in_file(self) -> bool:
        """Whether the file that a record names holds frames that were altered already."""
        is_altered = self.noise_sigma is not None or len(self.masked_frames) > 0 or len(self.marked_frames) > 0
        return is_altered and not self.altered_on_read


@dataclass(frozen=True, slots=True, eq=False)
class Rollout:
    """One response to one sample, with everything the trainer needs to see what the engine saw.

    prompt_token_ids: int32 [P], vision placeholders expanded. response_token_ids: int32 [T].
    engine_logprobs: float32 [T], processed (after temperature and masks), natural log.
    frame_indices: int64 [F], positions in the video, or in the part of it that is shown, whose number of frames is
    `video_num_frames`; empty, and rate and number None, without a video.
    pixel limits: of a frame and of the image, in pixels. level: 0 to 1, the augmentation's strength.
    """

    run_id: str
    round_index: int
    pass_: Pass
    sample_id: str
    group_id: str
    group_index: int
    rollout_index: int
    policy_version: int
    problem_type: ProblemType
    prompt: str
    prompt_token_ids: np.ndarray
    response: str
    response_token_ids: np.ndarray
    engine_logprobs: np.ndarray
    finish_reason: str
    reward: float
    reward_format: float
    reward_accuracy: float
    reward_iou: float | None
    max_reward: float
    predicted_answer: str | None
    seed: int
    augmentation: Kind
    level: float
    alteration: Alteration
    media: Media
    frame_indices: np.ndarray
    video_fps: float | None
    video_num_frames: int | None
    min_pixels: int
    max_pixels: int
    temperature: float


@dataclass(frozen=True, slots=True)
class Difficulty:
    """Eq. 9 of one sample; rewards are divided by their problem type's maximum (0 to 1).

    window_reward: what the sample is compared with: the mean of the window's `window_groups` groups, None while there
    are none; with an absolute reference the constant, and `window_groups` is 0.
    """

    run_id: str
    round_index: int
    group_index: int
    sample_id: str
    mean_reward: float
    window_reward: float | None
    window_groups: int
    difficulty: float
    label: Label
    level: float


@dataclass(frozen=True, slots=True, eq=False)
class Augmentation:
    """What the round does to one sample; `kind` none with a `reason` where nothing could be done.

    level: 0 to 1. realised_sigma: of noise, measured on frames and image as they are read; units of 0..255.
    hint_fraction: share of the trace's words that the hint shows. hint_leaked: the share that was asked for would have
    given the answer away, so the hint was cut before that. hint_too_long: it was cut to the engine's context.
    control: whether the original input is sampled again.
    """

    run_id: str
    round_index: int
    sample_id: str
    kind: Kind
    level: float
    reason: str
    alteration: Alteration
    realised_sigma: float | None
    media: Media
    hint: str
    hint_fraction: float | None
    hint_leaked: bool
    hint_too_long: bool
    control: bool


@dataclass(frozen=True, slots=True)
class HintTrace:
    """One response to the ground-truth-guided prompt.

    usable: it earns more than the format and has reasoning. chosen: it is the one that the hint was cut from.
    """

    run_id: str
    round_index: int
    sample_id: str
    trace_index: int
    response: str
    reward: float
    usable: bool
    chosen: bool


@dataclass(frozen=True, slots=True)
class Dropped:
    """A sample or group that a stage left out, and why; `detail` is the message a person reads."""

    run_id: str
    round_index: int
    stage: str
    pass_: Pass | None
    sample_id: str
    reason: str
    detail: str


@dataclass(frozen=True, slots=True, eq=False)
class Curated:
    """A rollout to train on; `position` is its group's place in the round's training order.

    The rows of one position are one group: the rollouts of one `group_id`, or with `curate.noisy_rollout` the halves of
    two, whose noisy rows then hold the clean input. (group_id, rollout_index) is the row of `rollouts` it comes from.
    """

    position: int
    rollout: Rollout


@dataclass(frozen=True, slots=True, eq=False)
class OldLogprobs:
    """Log-probs of a rollout before the round's first update, by the trainer: float32 [T], old and reference."""

    run_id: str
    round_index: int
    group_id: str
    rollout_index: int
    old_logps: np.ndarray
    ref_logps: np.ndarray


@dataclass(frozen=True, slots=True)
class TrainStep:
    """One optimiser step. rho is the sequence log-ratio to the old policy; gradient norm is before clipping.

    update_index: pass over the batch, from 0. effective_beta: beta s / (2 |y|), METHOD.md section 2.
    engine_mismatch: |engine - trainer| log-prob of the policy that sampled, per response token, mean and max; of the
    responses that were sampled on the input they are trained on. kl_weight: the step's. importance_capped: share of
    tokens (or responses) whose pi_old / pi_engine is above the cap; None without importance sampling. stopped: None, or
    the ceiling that was exceeded; the step was then measured and not taken, and is the round's last.
    """

    run_id: str
    round_index: int
    step: int
    batch_index: int
    update_index: int
    loss: float
    policy_loss: float
    kl: float
    grad_norm: float
    rho_mean: float
    rho_std: float
    engine_mismatch_mean: float
    engine_mismatch_max: float
    effective_beta: float | None
    learning_rate: float
    num_groups: int
    num_tokens: int
    kl_weight: float
    importance_capped: float | None
    stopped: str | None


@dataclass(frozen=True, slots=True)
class TrainRollout:
    """A rollout's part in one optimiser step; log-probs are sums over its response tokens.

    advantage: what the loss weighs the response by; of a loss that takes rewards or pairs, the group-normalised reward.
    """

    run_id: str
    round_index: int
    step: int
    group_id: str
    rollout_index: int
    advantage: float
    old_logp: float
    policy_logp: float


@dataclass(frozen=True, slots=True)
class Evaluation:
    """One response to one validation sample by one policy version; `task_level` is the sample's.

    temperature: 0 is the greedy response. response_index: from 0, of a sample's responses at one temperature.
    official_answer, official_accuracy (0 to 1): as the benchmark's own scorer reads and counts it.
    """

    run_id: str
    round_index: int
    policy_version: int
    sample_id: str
    problem_type: ProblemType
    task_level: str | None
    response: str
    predicted_answer: str | None
    finish_reason: str
    reward: float
    reward_format: float
    reward_accuracy: float
    reward_iou: float | None
    official_answer: str | None
    official_accuracy: float
    temperature: float
    response_index: int
