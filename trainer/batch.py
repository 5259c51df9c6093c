"""Groups of curated rollouts as model inputs: the engine's own tokens, the pixels the engine saw.

The groups of a batch are one packed sequence: each prompt once, then its group's responses, right-padded to the group's
longest. Two groups of two responses, p and q their prompts, a to d the responses, dots padding:

    input_ids    p p v v p a a a b b . | q v v q c . d d      [1, L], v video placeholders
    time         0 1 2 4 5 6 7 8 6 7 8 | 0 1 3 4 5 6 5 6      responses of a group stand at the same positions
    predictors   a: 4 5 6   b: 4 8 9   c: 14 .   d: 14 17     the state that predicts each token

    responses    a a a    mask   1 1 1                        [N, T]
                 b b .           1 1 0
                 c . .           1 0 0
                 d d .           1 1 0

Who sees whom is in trainer/prefix_attention.py. The encoder is frozen, so the features of a group's video and image are
computed once a round and used in each of its passes.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, TypeVar

import numpy as np
import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence
from transformers.modeling_outputs import BaseModelOutputWithPooling

from storage.frame_cache import FrameCache
from storage.frames import read_shown
from storage.records import Modality, Rollout
from storage.sampling import Exactly
from trainer.positions import Grid, mrope_positions
from trainer.prefix_attention import PackedGroup, Packing

PIXELS: dict[Modality, tuple[str, str]] = {
    "video": ("pixel_values_videos", "video_grid_thw"),
    "image": ("pixel_values", "image_grid_thw"),
}
"""How transformers' processors name pixels and patch grids."""


class ParityError(Exception):
    """Engine and trainer disagree on what a prompt is; training on it would be training on something else."""


class Sized(Protocol):
    """What has a number of packed tokens."""

    @property
    def num_tokens(self) -> int:
        """P + G T of a group."""


S = TypeVar("S", bound=Sized)


@dataclass(frozen=True, slots=True, eq=False)
class Vision:
    """An encoded video or image. features: [V, hidden], one row a placeholder token."""

    features: Tensor
    grid: Grid


@dataclass(frozen=True, slots=True, eq=False)
class Group:
    """The rollouts of one group, and what their prompt shows, encoded."""

    rollouts: Sequence[Rollout]
    visions: Mapping[Modality, Vision]

    @property
    def grids(self) -> dict[Modality, Grid]:
        """The patches of what the prompt shows."""
        return {modality: vision.grid for modality, vision in self.visions.items()}

    @property
    def place(self) -> PackedGroup:
        """What the group takes of a packed sequence."""
        return place_of(self.rollouts)

    @property
    def num_tokens(self) -> int:
        """P + G T, the tokens that the group has in a packed sequence."""
        return self.place.num_tokens


@dataclass(frozen=True, slots=True, eq=False)
class Batch:
    """One or more packed groups, N responses in group order.

    inputs: what the model takes. responses, mask, predictors: [N, T]; predictors are places in the packed sequence.
    forbidden: token ids that the engine never samples. temperature: what the engine divided its logits by.
    """

    inputs: dict[str, Any]
    responses: Tensor
    mask: Tensor
    predictors: Tensor
    forbidden: Sequence[int]
    temperature: float


def place_of(rollouts: Sequence[Rollout]) -> PackedGroup:
    """What a group of `rollouts` takes of a packed sequence; its video need not be encoded."""
    longest = max(len(rollout.response_token_ids) for rollout in rollouts)
    return PackedGroup(len(rollouts[0].prompt_token_ids), len(rollouts), longest)


def encode_group(
    rollouts: Sequence[Rollout],
    model: Any,
    processor: Any,
    locate: Callable[[str], Path],
    device: torch.device,
    cache: FrameCache | None = None,
) -> Group:
    """Reads and encodes what a group's prompt shows and checks that the trainer's prompt tokens are the engine's.

    Raises ParityError naming the sample if the tokens, or the numbers of placeholders and features, differ.
    """
    first = rollouts[0]
    if not all(np.array_equal(rollout.prompt_token_ids, first.prompt_token_ids) for rollout in rollouts):
        raise ParityError(
            f"sample {first.sample_id}: its group's rollouts have different prompts, but a group is trained on one; "
            "curate must put together rollouts of the same input"
        )
    shown = read_shown(
        first.media,
        locate,
        Exactly(tuple(first.frame_indices.tolist())),
        first.max_pixels,
        first.alteration,
        timeout_seconds=math.inf,  # the engine's stage, which read it before, has the limit
        cache=cache,
    )
    video = shown.video
    if video is not None and (
        not np.array_equal(video.indices, first.frame_indices) or video.num_file_frames != first.video_num_frames
    ):
        raise ParityError(
            f"sample {first.sample_id}: frames {video.indices} of {video.num_file_frames} were read, the engine saw "
            f"{first.frame_indices} of {first.video_num_frames}"
        )
    inputs = shown.processor_inputs(first.min_pixels, first.max_pixels)
    encoded = processor(text=[first.prompt], **inputs, return_tensors="pt")
    trainer_ids = encoded["input_ids"][0].numpy()
    if not np.array_equal(trainer_ids, first.prompt_token_ids):
        raise ParityError(
            f"sample {first.sample_id}: the trainer's {len(trainer_ids)} prompt tokens are not the engine's "
            f"{len(first.prompt_token_ids)}; engine and trainer must load the same processor with the same pixel limits"
        )
    visions = {modality: _encode(modality, model, encoded, device) for modality in first.media.modalities}
    for modality in PIXELS:
        placeholders = int((trainer_ids == getattr(model.config, f"{modality}_token_id")).sum())
        features = len(visions[modality].features) if modality in visions else 0
        if placeholders != features:
            raise ParityError(
                f"sample {first.sample_id}: {placeholders} {modality} placeholders, but {features} features"
            )
    return Group(rollouts, visions)


def _encode(modality: Modality, model: Any, encoded: Mapping[str, Any], device: torch.device) -> Vision:
    pixels, grids = (encoded[name].to(device) for name in PIXELS[modality])
    with torch.no_grad():
        outputs = getattr(model.model, f"get_{modality}_features")(pixels, grids, return_dict=True)
    seconds = encoded.get("second_per_grid_ts", [1.0])  # of a video; Qwen2-VL's processor has none
    return Vision(torch.cat(outputs.pooler_output), Grid(grids[0].cpu(), float(seconds[0])))


def forward_passes(groups: Sequence[S], max_tokens: int) -> list[Sequence[S]]:
    """`groups` cut, in their order, into runs of at most `max_tokens` packed tokens; a larger group is a run alone."""
    passes, start, tokens = list[Sequence[S]](), 0, 0
    for i, group in enumerate(groups):
        if i > start and tokens + group.num_tokens > max_tokens:
            passes.append(groups[start:i])
            start, tokens = i, 0
        tokens += group.num_tokens
    return [*passes, groups[start:]]


def collate(groups: Sequence[Group], config: Any, forbidden: Sequence[int], device: torch.device) -> Batch:
    """`groups` as one packed batch on `device`; `config` is the model's, `forbidden` policy.forbidden_token_ids."""
    responses = [[_ids(r.response_token_ids) for r in group.rollouts] for group in groups]
    rows = pad_sequence(list(itertools.chain(*responses)), batch_first=True)
    steps, start = torch.arange(rows.shape[1]), 0
    places, input_ids, positions, predictors = [], [], [], []
    for group, own in zip(groups, responses, strict=True):
        prompt, padded = _ids(group.rollouts[0].prompt_token_ids), pad_sequence(own, batch_first=True)
        place = group.place
        row = mrope_positions(torch.cat([prompt, padded[0]]), group.grids, config)
        last = start + len(prompt) - 1
        states = last + torch.arange(place.group_size)[:, None] * place.response_length + steps
        states[:, 0] = last
        places.append(place)
        input_ids += [prompt, padded.flatten()]
        positions += [row[:, : len(prompt)], row[:, len(prompt) :].repeat(1, place.group_size)]
        predictors.append(states)
        start += place.num_tokens
    lengths = torch.tensor([len(response) for own in responses for response in own])
    inputs = {
        "input_ids": torch.cat(input_ids)[None].to(device),
        "attention_mask": {"full_attention": Packing(tuple(places))},
        "position_ids": torch.cat(positions, dim=1)[:, None].to(device),
        "mm_encoder_outputs": encoder_outputs(groups),
    }
    return Batch(
        inputs=inputs,
        responses=rows.to(device),
        mask=(steps < lengths[:, None]).to(device),
        predictors=torch.cat(predictors).to(device),
        forbidden=forbidden,
        temperature=groups[0].rollouts[0].temperature,
    )


def encoder_outputs(groups: Sequence[Group]) -> dict[Modality, BaseModelOutputWithPooling]:
    """The features of some groups in their order, as transformers' models take them in place of pixels."""
    features = dict[Modality, Any]()
    for group in groups:
        for modality, vision in group.visions.items():
            features[modality] = (*features.get(modality, ()), vision.features)
    return {modality: BaseModelOutputWithPooling(pooler_output=rows) for modality, rows in features.items()}


def _ids(token_ids: np.ndarray) -> Tensor:
    return torch.as_tensor(token_ids.astype(np.int64))
