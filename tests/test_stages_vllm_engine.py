"""The real vLLM on this machine's CPU, once: parity with the trainer, a weight change, masks, determinism.

One process, one engine: the tests share it and run in the order of the file.
"""

import gc
import itertools
import shutil
from dataclasses import replace
from pathlib import Path

import naive_step
import numpy as np
import pytest
import torch
from transformers import PreTrainedTokenizerBase, ProcessorMixin

from flows.config import load_config
from stages.engine import EngineError, Policy
from stages.rollout import Scene, as_in_the_data, roll_out, to_roll_out
from stages.vllm_engine import VllmEngine
from storage.datasets import shapes
from storage.image import png_bytes
from storage.probe import PROBE_FILE
from storage.video import VISION_TOKENS
from trainer.batch import collate, encode_group
from trainer.checkpoint import save_checkpoint
from trainer.policy import forbidden_token_ids, load_policy, load_processor
from trainer.prefix import response_logprobs
from trainer.probe import measure, save_probe

CPU = torch.device("cpu")
pytestmark = [pytest.mark.timeout(900), pytest.mark.filterwarnings("ignore")]  # vLLM's own warnings


@pytest.fixture(scope="module")
def config():
    return load_config("tiny")


@pytest.fixture(scope="module")
def samples(tmp_path_factory):
    root = tmp_path_factory.mktemp("shapes")
    shapes.generate(root, seed=11, num_train=6, num_validation=2)
    return shapes.load(root)


@pytest.fixture(scope="module")
def processor(checkpoint):
    return load_processor(checkpoint)


@pytest.fixture(scope="module")
def policies(checkpoint, processor, tmp_path_factory):
    """The shipped policy, and one whose language model was moved."""
    model = load_policy(checkpoint, trainable=False)
    before = measure(model, processor)
    torch.manual_seed(0)
    for name, parameter in model.named_parameters():
        if "visual" not in name:
            parameter.add_(0.1 * parameter.std() * torch.randn_like(parameter))
    moved = tmp_path_factory.mktemp("moved")
    save_checkpoint(model, checkpoint, moved)
    save_probe(moved / PROBE_FILE, processor, measure(model, processor), before)
    return Policy(checkpoint, checkpoint / PROBE_FILE, 0), Policy(moved, moved / PROBE_FILE, 1)


@pytest.fixture(scope="module")
def engine(config, policies):
    engine = VllmEngine(config.engine, config.video)
    engine.load(policies[0])
    yield engine
    engine.release()


def scene(config, engine, processor, policy):
    return Scene(
        "run", 0, "rollout", 0, policy.version, engine, processor, config.video, config.prompts, config.rewards, Path
    )


def rolled_out(config, engine, processor, policy, samples):
    queries = [as_in_the_data(s, "original", i) for i, s in enumerate(samples)]
    here = scene(config, engine, processor, policy)
    asked, dropped = to_roll_out(queries, here)
    assert not dropped
    return roll_out(asked, config.rollout, here)


def mismatch(rollouts, policy, processor):
    """Mean |engine - trainer| over all response tokens."""
    model, forbidden = load_policy(policy.path, trainable=False), forbidden_token_ids(processor)
    differences = []
    for _, rows in itertools.groupby(rollouts, key=lambda rollout: rollout.group_id):
        rows = list(rows)
        batch = collate([encode_group(rows, model, processor, Path, CPU)], model.config, forbidden, CPU)
        with torch.no_grad():
            trainer = response_logprobs(model, batch).numpy()
        differences += [
            np.abs(t[: len(r.engine_logprobs)] - r.engine_logprobs) for t, r in zip(trainer, rows, strict=True)
        ]
    return float(np.concatenate(differences).mean())


def test_rollouts_agree_with_the_trainer_token_by_token(config, engine, processor, policies, samples):
    rollouts = rolled_out(config, engine, processor, policies[0], samples)
    assert len(rollouts) == len(samples) * config.rollout.group_size
    # encode_group has compared the prompt tokens of every group; positions and frames show in the log-probs
    assert mismatch(rollouts, policies[0], processor) < 1e-4


def test_an_image_beside_a_video_and_alone_agrees_with_the_trainer(
    config, engine, processor, policies, samples, tmp_path
):
    """Prompt tokens, the place of the features and the positions behind them: each would show in the log-probs."""
    pixels = np.random.default_rng(0).integers(0, 256, (200, 120, 3), dtype=np.uint8)
    (tmp_path / "x.png").write_bytes(png_bytes(pixels))
    beside = [replace(sample, image_path=str(tmp_path / "x.png")) for sample in samples[:2]]
    alone = [replace(sample, sample_id="alone", video_path=None) for sample in beside[:1]]
    rollouts = rolled_out(config, engine, processor, policies[0], [samples[2], *beside, *alone])
    assert len({len(rollout.prompt_token_ids) for rollout in rollouts}) > 2
    assert mismatch(rollouts, policies[0], processor) < 1e-4


def test_equal_requests_have_equal_responses(config, engine, processor, policies, samples):
    first, again = (rolled_out(config, engine, processor, policies[0], samples) for _ in range(2))
    assert [rollout.response for rollout in first] == [rollout.response for rollout in again]


def test_vision_tokens_are_never_sampled_even_when_the_model_wants_nothing_else(
    config, engine, processor, checkpoint, policies, samples, tmp_path
):
    """A policy whose favourite first token is the video placeholder: its embedding is three times that of <think>."""
    model, vocabulary = load_policy(checkpoint, trainable=False), processor.tokenizer.get_vocab()
    pad = vocabulary["<|video_pad|>"]
    model.lm_head.weight[pad] = 3 * model.lm_head.weight[vocabulary["<think>"]]
    save_checkpoint(model, checkpoint, tmp_path)
    save_probe(tmp_path / PROBE_FILE, processor, measure(model, processor), measure(model, processor))
    wanting = Policy(tmp_path, tmp_path / PROBE_FILE, 1)
    engine.load(wanting)
    rollouts = rolled_out(config, engine, processor, wanting, samples)
    engine.load(policies[0])
    batch = naive_step.collate([encode_group(rollouts[:8], model, processor, Path, CPU)], model.config, [], CPU)
    with torch.no_grad():
        logits = model(**batch.inputs).logits[0, len(rollouts[0].prompt_token_ids) - 1]
    assert int(logits.argmax()) == pad
    vision = {vocabulary[name] for name in VISION_TOKENS if name in vocabulary}
    assert not any(vision & set(rollout.response_token_ids.tolist()) for rollout in rollouts)
    assert mismatch(rollouts, wanting, processor) < 1e-4  # the trainer masks what the engine masks


def test_new_weights_are_the_ones_that_generate(config, engine, processor, policies, samples):
    before = rolled_out(config, engine, processor, policies[0], samples)
    engine.load(policies[1])
    after = rolled_out(config, engine, processor, policies[1], samples)
    assert mismatch(after, policies[1], processor) < 1e-4
    assert mismatch(before, policies[1], processor) > 1e-3
    engine.release()
    engine.load(policies[0])
    assert [r.response for r in rolled_out(config, engine, processor, policies[0], samples)] == [
        r.response for r in before
    ]


def test_a_checkpoint_with_the_probe_of_another_is_refused(config, engine, policies, tmp_path):
    """What a reload that silently keeps old weights looks like: the engine's log-probs are not the probe's."""
    folder = tmp_path / "stale"
    shutil.copytree(policies[0].path, folder)
    shutil.copy(policies[1].probe, folder / PROBE_FILE)
    with pytest.raises(EngineError, match="probe"):
        engine.load(Policy(folder, folder / PROBE_FILE, 1))
    engine.load(policies[0])


def test_an_engine_that_is_gone_leaves_no_processor_and_no_tokenizer(config, engine, processor, policies, samples):
    """Each kept 0.5 MiB; benchmarks/engine_rebuilds.py measures two hundred builds."""

    def alive():
        gc.unfreeze()  # a starting engine freezes what is there, and frozen objects are not listed
        gc.collect()
        return sum(isinstance(found, ProcessorMixin | PreTrainedTokenizerBase) for found in gc.get_objects())

    engine.release()
    before = alive()
    for policy in policies:
        engine.load(policy)
        rolled_out(config, engine, processor, policy, samples[:1])
    assert alive() > before
    engine.release()
    assert alive() == before
