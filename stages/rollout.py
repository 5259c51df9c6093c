"""Stages `rollout` and `rollout_augmented`: the engine's responses to samples, graded, one record each.

Both stages do the same thing to a list of `Query`: a sample in one pass, with whatever its augmentation changed.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from stages.config import PromptsConfig, RewardsConfig, RolloutConfig, VideoConfig
from stages.engine import Engine, EngineError, Generation, Request, Sampling
from stages.prompts import question_text, render
from stages.rewards import grade, max_reward, reward_columns
from storage.digest import derive_seed
from storage.errors import ImageError, VideoError
from storage.frame_cache import FrameCache
from storage.frames import Shown, read_shown
from storage.parallel import in_threads
from storage.records import Alteration, Dropped, Kind, Media, Pass, Rollout, Sample

STAGE_VERSION = 4


@dataclass(frozen=True, slots=True)
class Query:
    """What is asked of the engine: a sample in one pass, with its augmentation's files and hint if it has one."""

    sample: Sample
    pass_: Pass
    group_index: int
    media: Media
    augmentation: Kind = "none"
    level: float = 0.0
    hint: str = ""
    alteration: Alteration = field(default_factory=Alteration)


def as_in_the_data(sample: Sample, pass_: Pass, group_index: int) -> Query:
    """The query of a sample that nothing was done to."""
    return Query(sample, pass_, group_index, sample.media)


Asked = tuple[Query, Request]
Prepared = tuple[list[Asked], list[Dropped]]
"""The request of each query whose files read, in order; the others with the reason."""


@dataclass(frozen=True)
class Scene:
    """What all queries of a stage share. `locate` turns a stored path into a local one."""

    run_id: str
    round_index: int
    stage: str
    seed: int
    policy_version: int
    engine: Engine
    processor: Any
    video: VideoConfig
    prompts: PromptsConfig
    rewards: RewardsConfig
    locate: Callable[[str], Path]
    cache: FrameCache | None = None

    def read(self, media: Media, alteration: Alteration) -> Shown:
        """What `media` shows, as this scene's settings read it; raises as `storage.frames.read_shown` does."""
        video = self.video
        return read_shown(
            media,
            self.locate,
            video.choice,
            video.max_pixels,
            alteration,
            timeout_seconds=video.timeout_seconds,
            cache=self.cache,
        )


def to_roll_out(queries: Sequence[Query], scene: Scene) -> Prepared:
    """What the engine is asked for a rollout of each query."""
    return prepare(
        queries,
        scene,
        text=lambda query, shown: text_of(query, shown, scene),
        seed=lambda query: derive_seed(scene.seed, scene.round_index, query.pass_, query.sample.sample_id),
    )


def roll_out(asked: Sequence[Asked], config: RolloutConfig, scene: Scene) -> list[Rollout]:
    """Samples and grades `group_size` responses to each request, in their order; EngineError as `answer` says."""
    sampling = Sampling(config.group_size, config.temperature, config.max_new_tokens)
    return [row for answered in answer(asked, sampling, scene) for row in _graded(*answered, config, scene)]


def text_of(query: Query, shown: Shown, scene: Scene, *, reveal_answer: bool = False) -> str:
    """What the user says: the question as the scene's settings have it, about what is shown."""
    times = shown.video.times - shown.video.times[0] if shown.video else ()
    style = scene.prompts.style
    return question_text(query.sample, style, times=times, hint=query.hint, reveal_answer=reveal_answer)


def prepare(
    queries: Sequence[Query], scene: Scene, *, text: Callable[[Query, Shown], str], seed: Callable[[Query], int]
) -> Prepared:
    """Reads what each query shows and puts its `text` beside it; asks nothing of the engine, which may be at work."""
    readable, pictures, dropped = read_queries(queries, scene)
    asked = [
        (query, Request(render(scene.processor, text(query, shown), query.media.modalities), shown, seed(query)))
        for query, shown in zip(readable, pictures, strict=True)
    ]
    return asked, dropped


def answer(asked: Sequence[Asked], sampling: Sampling, scene: Scene) -> list[tuple[Query, Request, Generation]]:
    """What the engine gives back to prepared requests, in one batch.

    Raises EngineError if it returns another number of responses than was asked for.
    """
    generations = scene.engine.generate([request for _, request in asked], sampling) if asked else []
    for (query, _), generation in zip(asked, generations, strict=True):
        if len(generation.completions) != sampling.num_responses:
            raise EngineError(f"sample {query.sample.sample_id}: {len(generation.completions)} responses came back")
    return [(query, request, generation) for (query, request), generation in zip(asked, generations, strict=True)]


def read_queries(queries: Sequence[Query], scene: Scene) -> tuple[list[Query], list[Shown], list[Dropped]]:
    """The queries whose files read and still have their recorded bytes, what they show, and the others, each with the
    reason. Files are read in threads, for decoders leave Python's lock alone."""

    def read(query: Query) -> Shown | Dropped:
        try:
            return scene.read(query.media, query.alteration)
        except (VideoError, ImageError) as error:
            reason = "unreadable_video" if isinstance(error, VideoError) else "unreadable_image"
            name = (scene.run_id, scene.round_index, scene.stage, query.pass_, query.sample.sample_id)
            return Dropped(*name, reason=reason, detail=str(error))

    readable, shown, dropped = [], [], []
    with in_threads(read, queries) as results:
        for query, result in zip(queries, results, strict=True):
            if isinstance(result, Dropped):
                dropped.append(result)
                continue
            readable.append(query)
            shown.append(result)
    return readable, shown, dropped


def regrade(rollout: Rollout, sample: Sample, config: RewardsConfig) -> Rollout:
    """The same response under other reward settings."""
    return dataclasses.replace(rollout, **_rewarded(rollout.response, sample, config))


def _rewarded(response: str, sample: Sample, config: RewardsConfig) -> dict[str, Any]:
    reward = grade(response, sample, config)
    most = max_reward(sample.problem_type, config)
    return {**reward_columns(reward), "max_reward": most}


def _graded(
    query: Query, request: Request, generation: Generation, config: RolloutConfig, scene: Scene
) -> list[Rollout]:
    sample, video, rollouts = query.sample, request.shown.video, []
    for i, completion in enumerate(generation.completions):
        rollouts.append(
            Rollout(
                run_id=scene.run_id,
                round_index=scene.round_index,
                pass_=query.pass_,
                sample_id=sample.sample_id,
                group_id=f"{scene.round_index:05d}/{query.pass_}/{sample.sample_id}",
                group_index=query.group_index,
                rollout_index=i,
                policy_version=scene.policy_version,
                problem_type=sample.problem_type,
                prompt=request.prompt,
                prompt_token_ids=generation.prompt_token_ids,
                response=completion.text,
                response_token_ids=completion.token_ids,
                engine_logprobs=completion.logprobs,
                finish_reason=completion.finish_reason,
                **_rewarded(completion.text, sample, scene.rewards),
                seed=request.seed,
                augmentation=query.augmentation,
                level=query.level,
                alteration=query.alteration,
                media=query.media,
                frame_indices=np.zeros(0, np.int64) if video is None else video.indices,
                video_fps=None if video is None else video.fps,
                video_num_frames=None if video is None else video.num_file_frames,
                min_pixels=scene.video.min_pixels,
                max_pixels=scene.video.max_pixels,
                temperature=config.temperature,
            )
        )
    return rollouts
