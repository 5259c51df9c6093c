"""Stage `evaluate`: greedy responses to validation samples, graded; accuracy with its interval."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence

from stages.config import EvaluateConfig, RewardsConfig
from stages.engine import Sampling
from stages.rewards import grade, reward_columns
from stages.rollout import Scene, as_in_the_data, ask, text_of
from storage.records import Dropped, Evaluation, Sample

STAGE_VERSION = 4


def evaluate(samples: Sequence[Sample], config: EvaluateConfig, scene: Scene) -> tuple[list[Evaluation], list[Dropped]]:
    """One greedy response to each sample; a sample whose video cannot be read is dropped with the reason."""
    queries = [as_in_the_data(sample, "original", i) for i, sample in enumerate(samples)]
    greedy = Sampling(1, 0.0, config.max_new_tokens)
    answered, dropped = ask(
        queries, greedy, scene, text=lambda query, video: text_of(query, video, scene), seed=lambda query: scene.seed
    )
    found = []
    for query, _, generation in answered:
        completion, sample = generation.completions[0], query.sample
        found.append(
            Evaluation(
                run_id=scene.run_id,
                round_index=scene.round_index,
                policy_version=scene.policy_version,
                sample_id=sample.sample_id,
                problem_type=sample.problem_type,
                task_level=sample.task_level,
                response=completion.text,
                finish_reason=completion.finish_reason,
                **reward_columns(grade(completion.text, sample, scene.rewards)),
            )
        )
    return found, dropped


def regrade_evaluation(evaluation: Evaluation, sample: Sample, config: RewardsConfig) -> Evaluation:
    """The same response under other reward settings."""
    return dataclasses.replace(evaluation, **reward_columns(grade(evaluation.response, sample, config)))


def wilson_interval(num_correct: int, num_samples: int, z: float = 1.96) -> tuple[float, float]:
    """Wilson's score interval of a share, 95 % by default (Wilson 1927); (0, 1) without samples."""
    if num_samples == 0:
        return 0.0, 1.0
    share, spread = num_correct / num_samples, z * z / num_samples
    centre = (share + spread / 2) / (1 + spread)
    half = z * math.sqrt(share * (1 - share) / num_samples + spread / (4 * num_samples)) / (1 + spread)
    return max(0.0, min(share, centre - half)), min(1.0, max(share, centre + half))
