"""Stage `augment`: hints for hard samples; strength grows with |delta_R| (METHOD.md section 5).

What changes the pixels is in `stages/alterations.py`. Hints are cut from the best of several trajectories sampled from
the prompt that holds the ground truth, and leave the engine's context room for a response. Where nothing usable comes
out, the row has kind `none` and the reason.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from functools import partial
from typing import Any

from stages.config import AugmentConfig, RolloutConfig
from stages.context import num_text_tokens, num_vision_tokens
from stages.engine import Sampling
from stages.hint import Hint, best_trace, earns, make_hint, reasoning, usable
from stages.prompts import render
from stages.rewards import grade
from stages.rollout import Query, Scene, answer, as_in_the_data, prepare, text_of
from storage.digest import derive_seed
from storage.frames import Shown
from storage.records import Alteration, Augmentation, Difficulty, Dropped, HintTrace, Sample

STAGE_VERSION = 5


def add_hints(
    items: Sequence[tuple[Sample, Difficulty]],
    config: AugmentConfig,
    rollout: RolloutConfig,
    scene: Scene,
    *,
    max_model_len: int,
) -> tuple[list[Augmentation], list[HintTrace], list[Dropped]]:
    """Hints for hard samples, from trajectories sampled in one batch; all trajectories are returned beside them.

    A hinted prompt and `rollout.max_new_tokens` fit into `max_model_len` tokens.
    """
    by_id = {sample.sample_id: (sample, difficulty) for sample, difficulty in items}
    asked, dropped = prepare(
        [as_in_the_data(sample, "original", difficulty.group_index) for sample, difficulty in items],
        scene,
        text=lambda query, shown: text_of(query, shown, scene, reveal_answer=True),
        seed=lambda query: derive_seed(scene.seed, scene.round_index, "guided", query.sample.sample_id),
    )
    sampling = Sampling(config.num_traces, rollout.temperature, rollout.max_new_tokens)
    augmentations, rows = [], []
    for query, request, generation in answer(asked, sampling, scene):
        sample, difficulty = by_id[query.sample.sample_id]
        responses = [completion.text for completion in generation.completions]
        rewards = [grade(response, sample, scene.rewards) for response in responses]
        room = max_model_len - rollout.max_new_tokens - num_vision_tokens(request, generation, scene.processor)
        traces = [reasoning(response) for response in responses]
        best = best_trace(rewards, traces)
        hint = Hint("", 0.0, "no_correct_trace")
        if any(map(earns, rewards)):
            hint = make_hint(
                traces[best] if best is not None else "",
                sample,
                difficulty.level * config.max_hint_fraction,
                unit=config.hint_unit,
                tokenizer=scene.processor.tokenizer,
                fits=partial(_fits, query, request.shown, room, scene),
            )
        for i, (response, reward, trace) in enumerate(zip(responses, rewards, traces, strict=True)):
            name = (scene.run_id, scene.round_index, sample.sample_id, i, response, reward.total)
            chosen = i == best and hint.text != ""
            rows.append(HintTrace(*name, usable=usable(reward, trace), chosen=chosen))
        augmentations.append(_hinted(sample, difficulty, hint, config, scene))
    return augmentations, rows, dropped


def has_control(sample: Sample, config: AugmentConfig, scene: Scene) -> bool:
    """Whether the original input is sampled once more: a seeded share `control_fraction` of the augmented samples."""
    draw = derive_seed(scene.seed, scene.round_index, "control", sample.sample_id) / 2**31
    return draw < config.control_fraction


def _fits(query: Query, shown: Shown, room: int, scene: Scene, hint: str) -> bool:
    """Whether the prompt of `query` with `hint` has at most `room` tokens, those of what it shows aside."""
    text = text_of(dataclasses.replace(query, hint=hint), shown, scene)
    return num_text_tokens(render(scene.processor, text, query.media.modalities), scene.processor) <= room


def augmentation(sample: Sample, difficulty: Difficulty, scene: Scene, **found: Any) -> Augmentation:
    """The row of a sample: nothing is done to it, but for the fields of `Augmentation` that were `found`."""
    nothing = Augmentation(
        run_id=scene.run_id,
        round_index=scene.round_index,
        sample_id=sample.sample_id,
        kind="none",
        level=difficulty.level,
        reason="",
        alteration=Alteration(),
        realised_sigma=None,
        media=sample.media,
        hint="",
        hint_fraction=None,
        hint_leaked=False,
        hint_too_long=False,
        control=False,
    )
    return dataclasses.replace(nothing, **found)


def _hinted(sample: Sample, difficulty: Difficulty, hint: Hint, config: AugmentConfig, scene: Scene) -> Augmentation:
    cut = {"hint_leaked": hint.leaked, "hint_too_long": hint.too_long}
    if not hint.text:
        return augmentation(sample, difficulty, scene, reason=hint.reason, **cut)
    control = has_control(sample, config, scene)
    given = {"kind": "hint", "hint": hint.text, "hint_fraction": hint.fraction, "control": control}
    return augmentation(sample, difficulty, scene, **given, **cut)
