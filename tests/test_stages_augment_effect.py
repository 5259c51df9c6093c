"""An augmentation that does nothing has no effect: against the control, not against the score that chose the sample.

A simulated policy answers every question right with probability one half, whatever it is shown. So what is hard or easy
is so by luck alone, noise of sigma 0 changes nothing, and a hint is not looked at. The stages are the real ones.
"""

from dataclasses import replace
from functools import partial

import numpy as np
import pytest
from test_storage_query import do, empty_run

from flows.config import load_config
from stages.alterations import make_harder
from stages.augment import add_hints
from stages.difficulty import difficulty_record
from stages.engine import Completion, Generation
from stages.rollout import Query, Scene, as_in_the_data, roll_out, to_roll_out
from storage.altered import store_altered
from storage.datasets import shapes
from storage.difficulty import difficulty
from storage.digest import derive_seed
from storage.groups import group_rewards
from storage.query import query
from storage.records import Sample
from storage.samples import local_path
from trainer.policy import load_processor

SETTINGS = ["rollout.group_size=4", "difficulty.min_level=0.1", "augment.max_noise_sigma=0", "augment.num_traces=1"]
NUM_SAMPLES = {0: 100, 1: 260}


class CoinEngine:
    """Right with probability one half, by the request's seed alone; always right where the prompt holds the answer."""

    holds_policy = False

    def __init__(self, processor) -> None:
        self._tokenizer = processor.tokenizer

    def generate(self, requests, sampling):
        return [
            Generation(
                np.array(self._tokenizer(request.prompt)["input_ids"], np.int32),
                tuple(self._complete(request, i) for i in range(sampling.num_responses)),
            )
            for request in requests
        ]

    def _complete(self, request, index):
        right = "The correct answer is" in request.prompt or derive_seed("coin", request.seed, index) % 2
        answer = "red" if right else "blue"
        text = f"<think>It moves slowly and then it stops.</think><answer>{answer}</answer>"
        return Completion(text, np.array([1], np.int32), np.zeros(1, np.float32), "stop")


@pytest.fixture(scope="module")
def run(tmp_path_factory, checkpoint):
    """A round that fills the window, and one whose samples are augmented by what does nothing, all with a control."""
    folder = tmp_path_factory.mktemp("nothing")
    shapes.generate(folder / "data", seed=7, num_train=1, num_validation=0)
    (clip,) = shapes.load(folder / "data")
    config, run, processor = load_config("tiny", SETTINGS), empty_run(str(folder / "run")), load_processor(checkpoint)
    engine, locate = CoinEngine(processor), lambda path: local_path(run.files, path)
    samples = [
        Sample(f"s{i}", clip.video_path, "What colour?", "red", "short_text") for i in range(max(NUM_SAMPLES.values()))
    ]
    by_id = {sample.sample_id: sample for sample in samples}
    stage = Scene("run", 0, "", 0, 0, engine, processor, config.video, config.prompts, config.rewards, locate)
    manifests = []
    for r, count in NUM_SAMPLES.items():
        scene = replace(stage, round_index=r)
        do(run, r, "select")
        queries = [as_in_the_data(s, "original", 1000 * r + i) for i, s in enumerate(samples[:count])]
        manifests.append(
            do(run, r, "rollout", {"rollouts": roll_out(to_roll_out(queries, scene)[0], config.rollout, scene)})
        )
    rewards = group_rewards(run.files, manifests)
    rows = [
        difficulty_record(row, run_id="run", round_index=1, group_index=0, config=config.difficulty)
        for row in difficulty(rewards, round_index=1, window_size=config.difficulty.window_size).to_pylist()
    ]
    do(run, 1, "difficulty", {"difficulty": rows})
    hard = [(by_id[row.sample_id], row) for row in rows if row.label == "hard"]
    plan, traces, _ = add_hints(hard, config.augment, config.rollout, scene, max_model_len=config.engine.max_model_len)
    store = partial(store_altered, run.files)
    plan += [
        make_harder(by_id[row.sample_id], row, config.augment, scene, store) for row in rows if row.label == "easy"
    ]
    do(run, 1, "augment", {"augmentations": plan, "hint_traces": traces})
    queries = []
    for row in plan:
        sample = by_id[row.sample_id]
        queries.append(Query(sample, "augmented", 0, row.media, row.kind, row.level, row.hint, row.alteration))
        queries.append(as_in_the_data(sample, "control", 0))
    asked, _ = to_roll_out(queries, scene)
    do(run, 1, "rollout_augmented", {"rollouts": roll_out(asked, config.rollout, scene)})
    return run


def interval(run, kind, column):
    """Mean and 95 % interval of a difference, over all augmentations of a kind."""
    sql = f"select {column} as x from augmentations where kind = '{kind}'"
    values = query(run, sql)["x"].to_numpy()
    assert len(values) > 60
    half = 1.96 * values.std(ddof=1) / np.sqrt(len(values))
    return values.mean() - half, values.mean() + half


@pytest.mark.parametrize("kind", ["hint", "noise"])
def test_against_the_control_nothing_has_no_effect(run, kind):
    low, high = interval(run, kind, "effect")
    assert low < 0 < high
    assert high - low < 0.25


@pytest.mark.parametrize(("kind", "direction"), [("hint", 1), ("noise", -1)])
def test_against_the_score_that_chose_the_sample_it_seems_to_work(run, kind, direction):
    """Regression to the mean: hard samples would seem to be helped, easy ones to be made harder."""
    low, high = interval(run, kind, "reward_after - reward_before")
    assert min(direction * low, direction * high) > 0.1


def test_no_level_shows_an_effect_either(run):
    found = query(run, "from effects").to_pylist()
    assert {row["kind"] for row in found} == {"hint", "noise"}
    for row in found:
        assert row["num_samples"] > 10
        assert row["effect_low"] < 0 < row["effect_high"]
