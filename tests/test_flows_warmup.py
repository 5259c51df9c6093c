"""The shipped tiny policy and the warm-up that makes it: able enough to earn rewards, not too able to learn."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from flows.config import RunConfig, load_config
from flows.warmup import make_lessons, warm_up_tiny_model
from flows.warmup_examples import as_choice, make_examples, response_text
from stages.engine import Policy
from stages.rewards import grade, max_reward
from stages.rollout import Query, Scene, as_in_the_data, roll_out, to_roll_out
from stages.vllm_engine import VllmEngine
from storage.datasets import shapes
from storage.encode import write_video
from storage.noise import add_noise
from storage.probe import PROBE_FILE
from storage.records import Media, Sample
from storage.video import read_video
from trainer.policy import load_processor
from trainer.tiny_tokenizer import ChatTemplate
from trainer.warmup import Schedule, warm_up

pytestmark = pytest.mark.filterwarnings("ignore")  # vLLM's own warnings


@pytest.fixture(scope="module")
def config() -> RunConfig:
    return load_config("tiny")


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("shapes")
    shapes.generate(root, seed=0, num_train=256, num_validation=0)  # the training split of a run with seed 0
    return root


@pytest.fixture(scope="module")
def engine(config) -> Iterator[VllmEngine]:
    engine = VllmEngine(config.engine, config.video)
    yield engine
    engine.release()


def _rewards(
    engine: VllmEngine, config: RunConfig, folder: Path, queries: list[Query]
) -> tuple[np.ndarray, np.ndarray]:
    """Accuracy and format, [samples, 8] each, sampled at temperature 1 by the engine that a run uses."""
    policy = Policy(folder, folder / PROBE_FILE, 0)
    engine.load(policy)
    scene = Scene(
        "run", 0, "rollout", 0, 0, engine, load_processor(folder), config.video, config.prompts, config.rewards, Path
    )
    rollouts = roll_out(to_roll_out(queries, scene)[0], config.rollout, scene)
    return (
        np.array([rollout.reward_accuracy for rollout in rollouts]).reshape(len(queries), -1),
        np.array([rollout.reward_format for rollout in rollouts]).reshape(len(queries), -1),
    )


def _queries(samples: list[Sample]) -> list[Query]:
    return [as_in_the_data(sample, "original", i) for i, sample in enumerate(samples)]


def _check_band(engine: VllmEngine, config: RunConfig, folder: Path, samples: list[Sample]) -> None:
    accuracy, form = _rewards(engine, config, folder, _queries(samples))
    assert 0.4 <= accuracy.mean() <= 0.7
    assert form.mean() >= 0.9
    means = accuracy.mean(axis=1)
    assert (means <= 0.25).any()
    assert (means >= 0.9).any()
    assert ((means == 0) | (means == 1)).mean() <= 0.55


def test_the_same_seed_gives_the_same_checkpoint(tmp_path: Path) -> None:
    short = Schedule(steps=2, batch_size=4, learning_rate=1e-3)
    weights = []
    for name in ("a", "b"):
        lessons = make_lessons(seed=5, num_videos=6, num_practice=8, num_exercises=8)
        report = warm_up(tmp_path / name, lessons, seed=5, encoder=short, texts=short, responses=short)
        assert all(np.isfinite(value) for value in report.values())
        weights.append((tmp_path / name / "model.safetensors").read_bytes())
    assert weights[0] == weights[1]


def test_newly_drawn_options_keep_the_answer(root: Path) -> None:
    traces, rng = shapes.traces(root), np.random.default_rng(0)
    for sample in shapes.load(root):
        if sample.problem_type not in ("short_text", "multiple_choice"):
            continue
        word = sample.options[ord(sample.answer) - ord("A")] if sample.options else sample.answer
        asked, trace = as_choice(sample, traces[sample.sample_id], rng)
        assert asked.options[ord(asked.answer) - ord("A")] == word
        assert len(set(asked.options)) == 4
        assert trace.endswith(f"{word} {asked.answer}.")
        assert grade(response_text(trace, asked.answer), asked).total == 2.0


def test_gold_responses_earn_the_full_reward(root: Path) -> None:
    traces = shapes.traces(root)
    for sample in shapes.load(root):
        reward = grade(response_text(traces[sample.sample_id], sample.answer), sample)
        assert reward.total == max_reward(sample.problem_type)


def test_a_third_of_the_plain_prompts_gets_a_guess_and_no_other_prompt_does(root: Path) -> None:
    samples, traces = shapes.load(root), shapes.traces(root)
    examples = list(make_examples(samples, traces, ChatTemplate(), np.random.default_rng(0)))
    guessed = [example for example in examples if "<think>Guessed, so " in example.response]
    plain = [
        example for example in examples if "Hint, " not in example.prompt and "correct answer" not in example.prompt
    ]
    assert {id(example) for example in guessed} <= {id(example) for example in plain}
    assert len(plain) == 3 * len(guessed)
    right = [example.response.endswith(f"<answer>{samples[example.clip].answer}</answer>") for example in guessed]
    assert 0.1 < np.mean(right) < 0.4


def test_the_shipped_checkpoint_is_in_the_band(engine, config, checkpoint, root: Path) -> None:
    _check_band(engine, config, checkpoint, shapes.load(root))


@pytest.mark.slow
def test_noise_harms_the_shipped_checkpoint(engine, config, checkpoint, root: Path, tmp_path: Path) -> None:
    clean = _queries(shapes.load(root))
    noisy = []
    for query in clean:
        video = read_video(query.media.video_path)
        path = tmp_path / f"{query.sample.sample_id}.avi"
        write_video(path, add_noise(video.frames, 75.0, seed=1), video.fps, "ffv1")
        noisy.append(replace(query, media=Media(str(path))))
    before, after = (_rewards(engine, config, checkpoint, queries)[0].mean() for queries in (clean, noisy))
    assert after < before - 0.05


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_a_new_warm_up_lands_in_the_band(engine, config, root: Path, tmp_path: Path) -> None:
    warm_up_tiny_model(tmp_path / "tiny")
    _check_band(engine, config, tmp_path / "tiny", shapes.load(root))
