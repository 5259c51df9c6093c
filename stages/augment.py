"""Stage `augment`: hints for hard samples; strength grows with |delta_R| (METHOD.md section 5).

What changes the video is in `stages/alterations.py`. Hints are cut from the best of several trajectories sampled from
the prompt that holds the ground truth. Where nothing usable comes out, the row has kind `none` and the reason.
"""

from __future__ import annotations

from collections.abc import Sequence

from stages.config import AugmentConfig, RolloutConfig
from stages.engine import Sampling
from stages.hint import Hint, best_trace, make_hint, reasoning
from stages.prompts import question_text
from stages.rewards import grade
from stages.rollout import Query, Scene, ask
from storage.digest import derive_seed
from storage.records import Alteration, Augmentation, Difficulty, Dropped, HintTrace, Sample

STAGE_VERSION = 2


def add_hints(
    items: Sequence[tuple[Sample, Difficulty]], config: AugmentConfig, rollout: RolloutConfig, scene: Scene
) -> tuple[list[Augmentation], list[HintTrace], list[Dropped]]:
    """Hints for hard samples, from trajectories sampled in one batch; all trajectories are returned beside them."""
    by_id = {sample.sample_id: (sample, difficulty) for sample, difficulty in items}
    answered, dropped = ask(
        [_query(*item) for item in items],
        Sampling(config.num_traces, rollout.temperature, rollout.max_new_tokens),
        scene,
        text=lambda query: question_text(query.sample, reveal_answer=True),
        seed=lambda query: derive_seed(scene.seed, scene.round_index, "guided", query.sample.sample_id),
    )
    augmentations, traces = [], []
    for query, _, generation in answered:
        sample, difficulty = by_id[query.sample.sample_id]
        responses = [completion.text for completion in generation.completions]
        rewards = [grade(response, sample, scene.rewards) for response in responses]
        best = best_trace(rewards)
        hint = Hint("", 0.0, "no_correct_trace")
        if best is not None:
            hint = make_hint(reasoning(responses[best]), sample, difficulty.level * config.max_hint_fraction)
        for i, (response, reward) in enumerate(zip(responses, rewards, strict=True)):
            name = (scene.run_id, scene.round_index, sample.sample_id, i, response, reward.total)
            traces.append(HintTrace(*name, chosen=i == best and hint.text != ""))
        augmentations.append(_hinted(sample, difficulty, hint, config, scene))
    return augmentations, traces, dropped


def left_out(items: Sequence[tuple[Sample, Difficulty]], config: AugmentConfig, scene: Scene) -> list[Augmentation]:
    """The rows of the samples that `max_share` leaves as they are: kind none, reason `share`."""
    return [_hinted(sample, difficulty, Hint("", 0.0, "share"), config, scene) for sample, difficulty in items]


def has_control(sample: Sample, config: AugmentConfig, scene: Scene) -> bool:
    """Whether the original input is sampled once more: a seeded share `control_fraction` of the augmented samples."""
    draw = derive_seed(scene.seed, scene.round_index, "control", sample.sample_id) / 2**31
    return draw < config.control_fraction


def _hinted(sample: Sample, difficulty: Difficulty, hint: Hint, config: AugmentConfig, scene: Scene) -> Augmentation:
    return Augmentation(
        run_id=scene.run_id,
        round_index=scene.round_index,
        sample_id=sample.sample_id,
        kind="hint" if hint.text else "none",
        level=difficulty.level,
        reason=hint.reason,
        alteration=Alteration(),
        realised_sigma=None,
        video_path=sample.video_path,
        video_sha256=sample.video_sha256 or "",
        hint=hint.text,
        hint_fraction=hint.fraction if hint.text else None,
        control=bool(hint.text) and has_control(sample, config, scene),
    )


def _query(sample: Sample, difficulty: Difficulty) -> Query:
    return Query(sample, "original", difficulty.group_index, sample.video_path, sample.video_sha256)
