"""Hints on real videos with the deterministic engine: what the rows say is what was sampled."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from flows.config import load_config
from stages.augment import add_hints, has_control
from stages.config import AugmentConfig
from stages.context import num_text_tokens, num_vision_tokens
from stages.deterministic_engine import DeterministicEngine
from stages.engine import Generation, Request, Sampling
from stages.leak import leaks
from stages.prompts import question_text
from stages.rollout import Query, Scene, answer, as_in_the_data, prepare
from storage.datasets import shapes
from storage.files import Files
from storage.records import Difficulty
from storage.samples import local_path
from trainer.policy import load_processor


@pytest.fixture
def world(tmp_path, checkpoint):
    shapes.generate(tmp_path / "data", seed=7, num_train=12, num_validation=0)
    config, files = load_config("tiny"), Files(tmp_path / "run")
    engine = DeterministicEngine(config.video, checkpoint)
    locate = lambda path: local_path(files, path)  # noqa: E731
    processor = load_processor(checkpoint)
    scene = Scene("run", 1, "augment", 0, 1, engine, processor, config.video, config.prompts, config.rewards, locate)
    return scene, config, files, shapes.load(tmp_path / "data")


class ScriptedEngine(DeterministicEngine):
    """Says what it is told to, to every request, and keeps what it was asked."""

    def __init__(self, video, checkpoint, *responses: str) -> None:
        super().__init__(video, checkpoint)
        self.responses, self.calls = responses, []

    def generate(self, requests: Sequence[Request], sampling: Sampling) -> list[Generation]:
        self.calls.append((list(requests), sampling))
        return [
            replace(
                found,
                completions=tuple(replace(c, text=t) for c, t in zip(found.completions, self.responses, strict=True)),
            )
            for found in super().generate(requests, sampling)
        ]


def difficulty(sample, delta, level):
    label = "hard" if delta > 0 else "easy"
    return Difficulty("run", 1, 5, sample.sample_id, 0.5, 0.5 + delta, 9, delta, label, level)


def test_hints_come_from_traces_that_are_kept_and_never_leak(world):
    scene, config, _, samples = world
    items = [(sample, difficulty(sample, 0.4, 0.8)) for sample in samples]
    rows, traces, dropped = add_hints(items, config.augment, config.rollout, scene, max_model_len=512)
    assert not dropped
    assert len(traces) == len(samples) * config.augment.num_traces
    hinted = [row for row in rows if row.kind == "hint"]
    assert hinted
    by_id = {sample.sample_id: sample for sample in samples}
    for row in hinted:
        chosen = [t for t in traces if t.sample_id == row.sample_id and t.chosen]
        assert len(chosen) == 1
        assert row.hint in " ".join(chosen[0].response.split())
        assert not leaks(row.hint, by_id[row.sample_id])
        assert 0 < row.hint_fraction <= 0.8 * config.augment.max_hint_fraction + 0.2
    for row in rows:
        assert (row.kind == "hint") == (row.hint != "") == (row.reason == "")


RIGHT, WRONG, BARE = "<think>{}</think><answer>7</answer>", "<think>{}</think><answer>6</answer>", "<answer>7</answer>"


@pytest.mark.parametrize(
    ("responses", "level", "max_model_len", "reason", "usable"),
    [
        ([WRONG.format("Look left."), "7"], 1.0, 512, "no_correct_trace", [False, False]),
        ([BARE, WRONG.format("Look left.")], 1.0, 512, "no_trace", [False, False]),
        ([RIGHT.format("<|im_end|>"), RIGHT.format("")], 1.0, 512, "no_trace", [False, False]),
        ([RIGHT.format("Look."), BARE], 0.5, 512, "empty", [True, False]),
        ([RIGHT.format("Seven it is."), BARE], 1.0, 512, "leak", [True, False]),
        ([RIGHT.format("Look left."), BARE], 1.0, 40, "context", [True, False]),
        ([RIGHT.format("Look left."), BARE], 1.0, 512, "", [True, False]),
        ([BARE, RIGHT.format("Look left.")], 1.0, 512, "", [False, True]),
    ],
)
def test_each_reason_for_no_hint_and_which_traces_were_usable(
    world, checkpoint, responses, level, max_model_len, reason, usable
):
    scene, config, _, samples = world
    scene = replace(scene, engine=ScriptedEngine(config.video, checkpoint, *responses))
    sample = replace(samples[0], problem_type="number", answer="7", options=(), spans=())
    augment = config.augment.model_copy(update={"num_traces": len(responses), "max_hint_fraction": 1.0})
    items = [(sample, difficulty(sample, 0.4, level))]
    (row,), traces, _ = add_hints(items, augment, config.rollout, scene, max_model_len=max_model_len)
    assert row.reason == reason
    assert row.kind == ("none" if reason else "hint")
    assert (row.hint, row.hint_fraction) == (("", None) if reason else ("Look left.", 1.0))
    assert (row.hint_leaked, row.hint_too_long) == (reason == "leak", reason == "context")
    assert row.control == (not reason)
    assert [trace.usable for trace in traces] == usable
    assert [trace.chosen for trace in traces] == (usable if not reason else [False, False])


def test_all_trajectories_of_all_hard_samples_are_one_call_of_the_engine(world, checkpoint):
    scene, config, _, samples = world
    engine = ScriptedEngine(config.video, checkpoint, *[BARE] * config.augment.num_traces)
    items = [(sample, difficulty(sample, 0.4, 0.8)) for sample in samples]
    add_hints(items, config.augment, config.rollout, replace(scene, engine=engine), max_model_len=512)
    ((requests, sampling),) = engine.calls
    assert len(requests) == len(samples) > 1
    assert sampling == Sampling(config.augment.num_traces, config.rollout.temperature, config.rollout.max_new_tokens)
    assert config.augment.num_traces > 1
    for request, sample in zip(requests, samples, strict=True):
        assert question_text(sample, "short", reveal_answer=True) in request.prompt
    assert len({request.seed for request in requests}) == len(samples)


@pytest.mark.parametrize("unit", ["sentences", "words", "tokens"])
def test_a_hint_is_cut_to_the_context_by_the_count_that_engine_and_trainer_make(world, checkpoint, unit):
    """Every room from too little to plenty: the hinted prompt fits, and with the next word it would not have."""
    scene, config, _, samples = world
    trace = "It moves to the left. Then it stops there, quite still; a second one waits. Nothing else happens then."
    engine = ScriptedEngine(config.video, checkpoint, RIGHT.format(trace))
    scene = replace(scene, engine=engine)
    sample = replace(samples[0], problem_type="number", answer="7", options=(), spans=())
    augment = config.augment.model_copy(update={"num_traces": 1, "hint_unit": unit, "max_hint_fraction": 1.0})

    def length(hint):
        query = Query(sample, "augmented", 0, sample.media, "hint", 1.0, hint)
        text = lambda query, _: question_text(query.sample, "short", hint=query.hint)  # noqa: E731
        asked, _ = prepare([query], scene, text=text, seed=lambda _: 0)
        [(_, _, generation)] = answer(asked, Sampling(1, 1.0, 1), scene)
        return len(generation.prompt_token_ids)

    words, seen = trace.split(), set()
    lengths = [length("")] + [length(" ".join(words[:count])) for count in range(1, len(words) + 1)]
    for room in range(lengths[0] - 1, lengths[-1] + 2):
        items = [(sample, difficulty(sample, 0.4, 1.0))]
        longest = room + config.rollout.max_new_tokens
        (row,), _, _ = add_hints(items, augment, config.rollout, scene, max_model_len=longest)
        shown = len(row.hint.split())
        fitting = [count for count in range(1, len(words) + 1) if lengths[count] <= room]
        assert shown == max(fitting, default=0)
        assert row.hint_too_long == (shown < len(words))
        assert row.reason == ("" if shown else "context")
        seen.add(shown)
    assert seen == {*range(len(words) + 1)}


def test_the_processor_adds_the_same_tokens_for_a_video_whatever_the_text_is(world, checkpoint):
    scene, _, _, samples = world
    added = set()
    for text in ("", "A", "\n", " x", "<think>", "ünü 猫 \U0001f600", "It moves.\n" * 50):
        query = as_in_the_data(samples[0], "original", 0)
        asked, _ = prepare([query], scene, text=lambda *_: text, seed=lambda _: 0)  # noqa: B023
        [(_, request, generation)] = answer(asked, Sampling(1, 1.0, 1), scene)
        added.add(num_vision_tokens(request, generation, scene.processor))
        placeholder = scene.processor.tokenizer.convert_tokens_to_ids("<|video_pad|>")
        assert num_text_tokens(request.prompt, scene.processor) + max(added) == len(generation.prompt_token_ids)
        assert (generation.prompt_token_ids == placeholder).sum() == 1 + max(added)
    assert len(added) == 1
    assert max(added) > 10


def test_a_video_that_cannot_be_read_is_dropped(world):
    scene, config, _, samples = world
    Path(samples[0].video_path).write_text("no video")
    row = difficulty(samples[0], 0.3, 0.4)
    _, _, dropped = add_hints([(samples[0], row)], config.augment, config.rollout, scene, max_model_len=512)
    assert [d.reason for d in dropped] == ["unreadable_video"]


@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
def test_controls_are_a_seeded_share(world, share):
    scene, _, _, samples = world
    config = AugmentConfig(control_fraction=share)
    many = [replace(samples[0], sample_id=f"s{i}") for i in range(2000)]
    found = [has_control(sample, config, scene) for sample in many]
    assert abs(np.mean(found) - share) < 0.05
    assert found == [has_control(sample, config, scene) for sample in many]
