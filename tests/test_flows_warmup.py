"""The shipped tiny policy and the warm-up that makes it: able enough to earn rewards, not too able to learn."""

from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import AutoProcessor, Qwen2_5_VLForConditionalGeneration

from flows.ability import grades, sample_responses
from flows.warmup import make_lessons, warm_up_tiny_model
from flows.warmup_examples import as_choice, response_text
from stages.hint import make_hint
from stages.noise import add_noise
from stages.prompts import question_text
from stages.rewards import grade
from storage.datasets import shapes
from storage.datasets.shapes_scene import FPS
from storage.records import Sample
from storage.video import read_video
from trainer.warmup import Schedule, warm_up

CHECKPOINT = Path(__file__).parents[1] / "trainer" / "checkpoints" / "tiny"


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("shapes")
    shapes.generate(root, seed=11, num_train=64, num_validation=0)
    return root


def _rewards(
    checkpoint: Path, samples: list[Sample], texts: list[str], *, sigma: float = 0.0
) -> tuple[np.ndarray, np.ndarray]:
    """Accuracy and format, [samples, 8] each, sampled at temperature 1."""
    model = Qwen2_5_VLForConditionalGeneration.from_pretrained(checkpoint).eval()
    processor = AutoProcessor.from_pretrained(checkpoint)
    videos = [add_noise(read_video(sample.video_path).frames, sigma, seed=1) for sample in samples]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        responses = sample_responses(model, processor, texts, videos, num_responses=8, fps=FPS)
    found = grades(responses, samples)
    return (
        np.array([[reward.accuracy for reward in group] for group in found]),
        np.array([[reward.format for reward in group] for group in found]),
    )


def _check_band(checkpoint: Path, root: Path) -> None:
    samples = shapes.load(root)
    accuracy, form = _rewards(checkpoint, samples, [question_text(sample) for sample in samples])
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
        if sample.problem_type == "number":
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
        assert grade(response_text(traces[sample.sample_id], sample.answer), sample).total == 2.0


def test_the_shipped_checkpoint_is_in_the_band(root: Path) -> None:
    _check_band(CHECKPOINT, root)


def test_a_hint_helps_the_shipped_checkpoint_and_noise_harms_it(root: Path) -> None:
    samples, traces = shapes.load(root), shapes.traces(root)
    texts = [question_text(sample) for sample in samples]
    hinted = [question_text(s, hint=make_hint(traces[s.sample_id], s, 0.5).text) for s in samples]
    plain = _rewards(CHECKPOINT, samples, texts)[0].mean()
    assert _rewards(CHECKPOINT, samples, hinted)[0].mean() > plain + 0.05
    assert _rewards(CHECKPOINT, samples, texts, sigma=50.0)[0].mean() < plain - 0.05


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_a_new_warm_up_lands_in_the_band(root: Path, tmp_path: Path) -> None:
    warm_up_tiny_model(tmp_path / "tiny", seed=1)
    _check_band(tmp_path / "tiny", root)
