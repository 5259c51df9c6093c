"""Stage `augment`, what changes the pixels: noise or masked frames for easy samples, cues for hard ones (METHOD.md
section 5).

An alteration is decided for what the model is shown, at the size it is shown it; `storage/frames.py` applies it. Our
departures from arXiv:2506.07464: a cue goes only to samples that do not ask for their spans (`blocks.GROUNDED`), to
which it would show the answer; it has no strength, the level only says that it is given. The paper says nothing of the
image that SEED-Bench-R1 shows beside a video: here noise falls on it as on every frame, since a clean current
observation would leave the answer in sight; only frames of a video are masked or pointed out.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np

from stages.augment import augmentation, has_control
from stages.blocks import GROUNDED
from stages.config import AugmentConfig
from stages.rollout import Scene, as_in_the_data, read_queries
from storage.digest import derive_seed
from storage.frames import Shown, alter
from storage.noise import noise_seed, realised_sigma
from storage.records import Alteration, Augmentation, Difficulty, Dropped, Kind, Media, Sample

Store = Callable[[Media, Shown, Alteration], Media]
"""Keeps altered pixels and returns the files that show them (`storage.altered.store_altered` of a run)."""


def make_harder(
    sample: Sample, difficulty: Difficulty, config: AugmentConfig, scene: Scene, store: Store
) -> Augmentation | Dropped:
    """The noised or masked version of an easy sample; dropped if its video or image cannot be read.

    Kind `none` with the reason where no frame is to be masked: the level is low, or the video has one frame, or there
    is none.
    """
    shown = _shown(sample, difficulty, scene)
    if isinstance(shown, Dropped):
        return shown
    if config.increasing == "noise":
        seed = noise_seed(scene.seed, scene.round_index, sample.sample_id)
        noise = Alteration(noise_sigma=difficulty.level * config.max_noise_sigma, noise_seed=seed)
        return _altered(sample, difficulty, "noise", noise, shown, config, scene, store)
    seed = derive_seed(scene.seed, scene.round_index, "mask", sample.sample_id)
    num_frames = 0 if shown.video is None else len(shown.video.frames)
    masked = frames_to_mask(num_frames, difficulty.level * config.max_mask_share, seed)
    if len(masked) == 0:
        return augmentation(sample, difficulty, scene, reason="no_frame_to_mask")
    return _altered(sample, difficulty, "mask", Alteration(masked_frames=masked), shown, config, scene, store)


def cue(
    sample: Sample, difficulty: Difficulty, config: AugmentConfig, scene: Scene, store: Store
) -> Augmentation | Dropped | None:
    """The version of a hard sample that points to its spans; dropped if its video or image cannot be read.

    None for a sample that gets a hint instead: cues are off, it has no video or no spans, it asks for them, or they
    hold none or all of the shown frames, so that pointing to them says nothing.
    """
    if config.decreasing != "cue" or not sample.spans or sample.problem_type in GROUNDED:
        return None
    shown = _shown(sample, difficulty, scene)
    if isinstance(shown, Dropped):
        return shown
    if shown.video is None:
        return None
    inside = frames_inside(shown.video.times, sample.spans)
    if inside.all() or not inside.any():
        return None
    if config.cue == "keep":
        alteration = Alteration(masked_frames=np.flatnonzero(~inside))
    else:
        alteration = Alteration(marked_frames=np.flatnonzero(inside))
    return _altered(sample, difficulty, "cue", alteration, shown, config, scene, store)


def frames_to_mask(num_frames: int, share: float, seed: int) -> np.ndarray:
    """int64, ascending: `share` (0 to 1) of the positions 0..num_frames-1, drawn without replacement; not all."""
    count = min(round(share * num_frames), max(num_frames - 1, 0))
    positions: np.ndarray = np.random.default_rng(seed).choice(num_frames, count, replace=False)
    return np.sort(positions)


def frames_inside(times: np.ndarray, spans: tuple[tuple[float, float], ...]) -> np.ndarray:
    """bool [T]: which frames lie in a span, ends included. Seconds; spans count from the first frame."""
    since = times - times[0]
    inside = np.zeros(len(times), bool)
    for start, end in spans:
        inside |= (start <= since) & (since <= end)
    return inside


def _shown(sample: Sample, difficulty: Difficulty, scene: Scene) -> Shown | Dropped:
    _, shown, dropped = read_queries([as_in_the_data(sample, "original", difficulty.group_index)], scene)
    return dropped[0] if dropped else shown[0]


def _altered(
    sample: Sample,
    difficulty: Difficulty,
    kind: Kind,
    alteration: Alteration,
    shown: Shown,
    config: AugmentConfig,
    scene: Scene,
    store: Store,
) -> Augmentation:
    alteration = dataclasses.replace(alteration, altered_on_read=config.storage == "seed")
    control = has_control(sample, config, scene)
    row = augmentation(sample, difficulty, scene, kind=kind, alteration=alteration, control=control)
    if config.storage == "video":
        row = dataclasses.replace(row, media=store(row.media, alter(shown, alteration), alteration))
    if kind != "noise":
        return row
    noisy = scene.read(row.media, alteration)
    return dataclasses.replace(row, realised_sigma=realised_sigma(shown.pixels, noisy.pixels))
