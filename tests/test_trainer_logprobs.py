"""Log-probs of responses against a slow loop over single rows, and against the model's own full logits."""

from dataclasses import replace
from pathlib import Path

import naive_step
import numpy as np
import pytest
import torch

from flows.config import load_config
from stages.deterministic_engine import DeterministicEngine
from stages.engine import Policy
from stages.rollout import Scene, as_in_the_data, roll_out, to_roll_out
from storage.datasets import shapes
from trainer.batch import ParityError, collate, encode_group
from trainer.policy import forbidden_token_ids, load_policy, load_processor
from trainer.prefix import response_logprobs

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def model(checkpoint):
    return load_policy(checkpoint, trainable=True)


@pytest.fixture(scope="module")
def processor(checkpoint):
    return load_processor(checkpoint)


@pytest.fixture(scope="module")
def rollouts(checkpoint, processor, tmp_path_factory):
    root = tmp_path_factory.mktemp("shapes")
    shapes.generate(root, seed=3, num_train=3, num_validation=0)
    config = load_config("tiny", ["rollout.group_size=3"])
    engine = DeterministicEngine(config.video, checkpoint)
    engine.load(Policy(checkpoint, checkpoint, 0))
    scene = Scene("run", 0, "rollout", 0, 0, engine, processor, config.video, config.prompts, config.rewards, Path)
    queries = [as_in_the_data(s, "original", i) for i, s in enumerate(shapes.load(root))]
    found = roll_out(to_roll_out(queries, scene)[0], config.rollout, scene)
    return [found[i : i + 3] for i in range(0, 9, 3)]


def test_batched_rows_equal_single_rows_and_the_models_own_softmax(model, processor, rollouts):
    groups = [encode_group(rows, model, processor, Path, CPU) for rows in rollouts]
    forbidden = forbidden_token_ids(processor)
    with torch.no_grad():
        batched = response_logprobs(model, collate(groups, model.config, forbidden, CPU))
        row = 0
        for group in groups:
            for rollout in group.rollouts:
                single = replace(group, rollouts=[rollout])
                batch = naive_step.collate([single], model.config, forbidden, CPU)
                logits = model(**batch.inputs).logits[0].double()
                logits[:, forbidden] = float("-inf")
                start = len(rollout.prompt_token_ids)
                slow = [
                    float(logits[start - 1 + t].log_softmax(-1)[token])
                    for t, token in enumerate(rollout.response_token_ids)
                ]
                assert batched[row, : len(slow)].numpy() == pytest.approx(np.array(slow), abs=1e-4)
                assert not batched[row, len(slow) :].any()
                row += 1


def test_temperature_divides_the_logits(model, processor, rollouts):
    group = encode_group(rollouts[0], model, processor, Path, CPU)
    batch = collate([group], model.config, [], CPU)
    with torch.no_grad():
        warm = response_logprobs(model, replace(batch, temperature=4.0))
        cold = response_logprobs(model, replace(batch, temperature=0.25))
    spread = lambda values: float(values[batch.mask].std())  # noqa: E731
    assert spread(warm) < spread(cold)


def test_the_encoder_gets_no_gradient_and_the_language_model_does(model, processor, rollouts):
    group = encode_group(rollouts[0], model, processor, Path, CPU)
    batch = collate([group], model.config, forbidden_token_ids(processor), CPU)
    response_logprobs(model, batch).sum().backward()
    with_gradient = {name for name, p in model.named_parameters() if p.grad is not None and p.grad.any()}
    model.zero_grad()
    assert with_gradient
    assert not any("visual" in name for name in with_gradient)


def test_other_prompt_tokens_than_the_engines_are_refused(model, processor, rollouts):
    wrong = rollouts[0][0].prompt_token_ids.copy()
    wrong[-1] += 1
    rows = [replace(rollout, prompt_token_ids=wrong) for rollout in rollouts[0]]
    with pytest.raises(ParityError, match=rollouts[0][0].sample_id):
        encode_group(rows, model, processor, Path, CPU)


def test_a_group_has_one_prompt(model, processor, rollouts):
    mixed = [*rollouts[0][:2], rollouts[1][0]]
    with pytest.raises(ParityError, match=f"sample {rollouts[0][0].sample_id}: .* different prompts"):
        encode_group(mixed, model, processor, Path, CPU)


def test_other_pixel_limits_than_the_engines_are_refused(model, processor, rollouts):
    rows = [replace(rollout, min_pixels=4 * 112 * 112, max_pixels=4 * 112 * 112) for rollout in rollouts[0]]
    with pytest.raises(ParityError, match=rollouts[0][0].sample_id):
        encode_group(rows, model, processor, Path, CPU)
