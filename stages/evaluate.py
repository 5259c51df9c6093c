"""Stage `evaluate`: responses to validation samples, greedy and sampled, graded."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from stages.config import EvaluateConfig, RewardsConfig
from stages.engine import Completion, Sampling
from stages.metrics.benchmarks import Benchmark
from stages.rewards import grade, reward_columns
from stages.rollout import Asked, Prepared, Scene, answer, as_in_the_data, prepare, text_of
from storage.digest import derive_seed
from storage.records import Evaluation, Sample

STAGE_VERSION = 5


def to_evaluate(samples: Sequence[Sample], scene: Scene) -> Prepared:
    """What the engine is asked about each sample; all policies are asked with the same seeds."""
    return prepare(
        [as_in_the_data(sample, "original", i) for i, sample in enumerate(samples)],
        scene,
        text=lambda query, shown: text_of(query, shown, scene),
        seed=lambda query: derive_seed(scene.seed, "evaluate", query.sample.sample_id),
    )


def evaluate(asked: Sequence[Asked], config: EvaluateConfig, scene: Scene, benchmark: Benchmark) -> list[Evaluation]:
    """One greedy response to each request and `num_samples` sampled ones, graded."""
    samplings = [Sampling(1, 0.0, config.max_new_tokens)]
    if config.num_samples:
        samplings.append(Sampling(config.num_samples, config.temperature, config.max_new_tokens, config.top_p))
    return [
        _graded(query.sample, completion, sampling, index, scene, benchmark)
        for sampling in samplings
        for query, _, generation in answer(asked, sampling, scene)
        for index, completion in enumerate(generation.completions)
    ]


def _graded(
    sample: Sample, completion: Completion, sampling: Sampling, index: int, scene: Scene, benchmark: Benchmark
) -> Evaluation:
    official_answer, official_accuracy = benchmark.official(completion.text, sample)
    return Evaluation(
        run_id=scene.run_id,
        round_index=scene.round_index,
        policy_version=scene.policy_version,
        sample_id=sample.sample_id,
        problem_type=sample.problem_type,
        task_level=sample.task_level,
        response=completion.text,
        finish_reason=completion.finish_reason,
        **reward_columns(grade(completion.text, sample, scene.rewards)),
        official_answer=official_answer,
        official_accuracy=official_accuracy,
        temperature=sampling.temperature,
        response_index=index,
    )


def regrade_evaluation(evaluation: Evaluation, sample: Sample, config: RewardsConfig) -> Evaluation:
    """The same response under other reward settings; the official score has none."""
    return dataclasses.replace(evaluation, **reward_columns(grade(evaluation.response, sample, config)))
