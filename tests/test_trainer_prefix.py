"""The shared prefix against the naive step: log-probs and every gradient; who sees whom; what is never made whole."""

from collections import Counter
from dataclasses import replace

import naive_step
import numpy as np
import pytest
import torch
from conftest import rollout_with
from peak_memory import peak_bytes
from transformers import (
    Qwen2_5_VLConfig,
    Qwen2_5_VLForConditionalGeneration,
    Qwen2VLConfig,
    Qwen2VLForConditionalGeneration,
)

from trainer import logprobs
from trainer.batch import Group, Vision, collate
from trainer.policy import recompute_activations
from trainer.positions import Grid
from trainer.prefix import response_logprobs
from trainer.prefix_attention import PackedGroup, Packing, shared_prefix_attention

CPU = torch.device("cpu")
VOCABULARY, HIDDEN, VIDEO, IMAGE = 192, 32, 9, 10
PLACEHOLDERS = {"video": VIDEO, "image": IMAGE}
FORBIDDEN = [VIDEO, IMAGE, 11]
ARCHITECTURES = {
    "qwen2_vl": (Qwen2VLConfig, Qwen2VLForConditionalGeneration, {"embed_dim": 32, "hidden_size": HIDDEN}),
    "qwen2_5_vl": (
        Qwen2_5_VLConfig,
        Qwen2_5_VLForConditionalGeneration,
        {"hidden_size": 32, "out_hidden_size": HIDDEN},
    ),
}


def build(architecture, **text):
    """A random model of 3 layers, 4 query heads and 2 key heads, its vision encoder frozen."""
    configuration, model, vision = ARCHITECTURES[architecture]
    config = configuration(
        text_config={
            "vocab_size": VOCABULARY,
            "bos_token_id": 1,
            "eos_token_id": 2,
            "hidden_size": HIDDEN,
            "intermediate_size": 48,
            "num_hidden_layers": 3,
            "num_attention_heads": 4,
            "num_key_value_heads": 2,
            "initializer_range": 0.1,
            "rope_parameters": {"rope_type": "default", "rope_theta": 10000.0, "mrope_section": [2, 1, 1]},
            **text,
        },
        vision_config={"depth": 1, "num_heads": 2, **vision},
        video_token_id=VIDEO,
        image_token_id=IMAGE,
    )
    torch.manual_seed(0)
    built = model(config).eval()
    built.model.visual.requires_grad_(False)
    return built


def group(seed, before, shown, after, lengths):
    """A group whose prompt has `before` tokens, then each thing `shown`, as many merged patches, with `after` tokens
    behind it."""
    rng = np.random.default_rng(seed)
    text = lambda n: rng.integers(20, VOCABULARY, n).astype(np.int32)  # noqa: E731
    parts, visions = [text(before)], {}
    for modality, (frames, height, width) in shown.items():
        features = torch.from_numpy(rng.normal(size=(frames * height * width, HIDDEN)).astype(np.float32))
        visions[modality] = Vision(features, Grid(torch.tensor([frames, 2 * height, 2 * width]), 0.7))
        parts += [np.full(len(features), PLACEHOLDERS[modality], np.int32), text(after)]
    prompt = np.concatenate(parts)
    rows = [
        rollout_with(sample_id=f"s{seed}", rollout_index=i, prompt_token_ids=prompt, response_token_ids=text(length))
        for i, length in enumerate(lengths)
    ]
    return Group(rows, visions)


GROUPS = [
    group(0, 5, {"video": (2, 2, 3)}, 4, (7, 1, 4)),
    group(1, 2, {"video": (3, 1, 2), "image": (1, 2, 3)}, 1, (2, 9, 9)),
    group(2, 1, {"video": (5, 1, 1)}, 3, (1, 1, 1)),
    group(3, 3, {"image": (1, 3, 2)}, 2, (5, 2, 6)),
    group(4, 1, {"video": (4, 1, 1), "image": (1, 1, 1)}, 2, (2, 3, 1)),
]
"""Unequal prompts, videos, images and responses: video, both, image; one group of single tokens."""


def differentiated(model, logps, mask):
    """Log-probs, and the gradient of every parameter under weights that differ from token to token."""
    model.zero_grad()
    weights = torch.linspace(-1.0, 2.0, mask.numel(), device=logps.device).view(mask.shape)
    (logps * weights).sum().backward()
    grads = {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}
    return logps.detach(), grads


def shared(model, groups=GROUPS, forbidden=FORBIDDEN, device=CPU):
    batch = collate(groups, model.config, forbidden, device)
    return differentiated(model, response_logprobs(model, batch), batch.mask)


def naive(model, groups=GROUPS, forbidden=FORBIDDEN, device=CPU):
    batch = naive_step.collate(groups, model.config, forbidden, device)
    return differentiated(model, naive_step.response_logprobs(model, batch), batch.mask)


def assert_equal(ours, theirs, tolerance=1e-5):
    """Within `tolerance` of the norm: the log-probs, and each parameter's gradient."""
    (logps, grads), (expected, expected_grads) = ours, theirs
    assert float((logps - expected).norm()) <= tolerance * float(expected.norm())
    assert grads.keys() == expected_grads.keys()
    assert {name for name, g in expected_grads.items() if not g.any()} == set()
    worst = {n: float((grads[n] - g).norm() / g.norm()) for n, g in expected_grads.items()}
    assert max(worst.values()) <= tolerance, worst


@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize("checkpointing", [False, True], ids=["plain", "checkpointing"])
def test_logprobs_and_all_gradients_are_the_naive_ones(architecture, checkpointing):
    model = build(architecture)
    expected = naive(model)
    if checkpointing:
        recompute_activations(model)
    assert_equal(shared(model), expected)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize("chosen", range(len(GROUPS)))
def test_one_group_alone_equals_itself_among_others(architecture, chosen):
    model = build(architecture)
    together, alone = shared(model)[0], shared(model, [GROUPS[chosen]])[0]
    rows = together[3 * chosen : 3 * chosen + 3, : alone.shape[1]]
    assert torch.allclose(rows, alone, rtol=1e-5, atol=1e-6)


def test_temperature_and_forbidden_tokens_count_as_in_the_naive_step():
    model = build("qwen2_5_vl")
    hot = [replace(g, rollouts=[replace(r, temperature=0.5) for r in g.rollouts]) for g in GROUPS]
    cases = {"neither": (GROUPS, []), "forbidden": (GROUPS, FORBIDDEN), "temperature": (hot, [])}
    found = {name: shared(model, *case) for name, case in cases.items()}
    for name, case in cases.items():
        assert_equal(found[name], naive(model, *case))
    assert not torch.allclose(found["neither"][0], found["forbidden"][0], rtol=1e-3)
    assert not torch.allclose(found["neither"][0], found["temperature"][0], rtol=1e-3)


def test_a_response_does_not_depend_on_its_siblings():
    model = build("qwen2_5_vl")
    first, *others = GROUPS[0].rollouts
    changed = replace(first, response_token_ids=first.response_token_ids[::-1].copy())
    before, after = shared(model)[0], shared(model, [replace(GROUPS[0], rollouts=[changed, *others]), *GROUPS[1:]])[0]
    assert not torch.allclose(before[0], after[0], rtol=1e-2)
    assert torch.allclose(before[1:], after[1:], rtol=0, atol=1e-6)


def test_who_sees_whom():
    """Row i, column j: does the output of token i change with the value of token j?"""
    expected = torch.tensor(
        # p0 p1 p2 a0 a1 b0 b1 q0 c0 d0     two groups: p with a and b, q with c and d
        [
            [1, 0, 0, 0, 0, 0, 0, 0, 0, 0],  # p0
            [1, 1, 0, 0, 0, 0, 0, 0, 0, 0],  # p1
            [1, 1, 1, 0, 0, 0, 0, 0, 0, 0],  # p2
            [1, 1, 1, 1, 0, 0, 0, 0, 0, 0],  # a0
            [1, 1, 1, 1, 1, 0, 0, 0, 0, 0],  # a1
            [1, 1, 1, 0, 0, 1, 0, 0, 0, 0],  # b0
            [1, 1, 1, 0, 0, 1, 1, 0, 0, 0],  # b1
            [0, 0, 0, 0, 0, 0, 0, 1, 0, 0],  # q0
            [0, 0, 0, 0, 0, 0, 0, 1, 1, 0],  # c0
            [0, 0, 0, 0, 0, 0, 0, 1, 0, 1],  # d0
        ]
    )
    torch.manual_seed(0)
    query, key, value = torch.randn(1, 4, 10, 8), torch.randn(1, 2, 10, 8), torch.randn(1, 2, 10, 8)
    packing = Packing((PackedGroup(3, 2, 2), PackedGroup(1, 2, 1)))
    attend = lambda v: shared_prefix_attention(None, query, key, v, packing)[0][0].flatten(1).sum(1)  # noqa: E731
    jacobian = torch.autograd.functional.jacobian(attend, value)[:, 0].abs().sum(dim=(1, 3))
    assert torch.equal((jacobian > 0).long(), expected)


def test_worked_example_of_the_batch():
    model = build("qwen2_5_vl")  # two positions a second: frame pairs one second apart are two positions apart
    rollouts = lambda prompt, *rows: [  # noqa: E731
        rollout_with(prompt_token_ids=np.array(prompt), response_token_ids=np.array(row)) for row in rows
    ]
    model.config.vision_config.tokens_per_second = 2
    visions = {"video": Vision(torch.zeros(2, HIDDEN), Grid(torch.tensor([2, 2, 2])))}
    p, q, v = 30, 31, VIDEO
    first = Group(rollouts([p, p, v, v, p], [41, 42, 43], [51, 52]), visions)
    second = Group(rollouts([q, v, v, q], [61], [71, 72]), visions)
    batch = collate([first, second], model.config, [], CPU)
    assert batch.inputs["input_ids"].tolist() == [[p, p, v, v, p, 41, 42, 43, 51, 52, 0, q, v, v, q, 61, 0, 71, 72]]
    assert batch.inputs["position_ids"][0].tolist() == [[0, 1, 2, 4, 5, 6, 7, 8, 6, 7, 8, 0, 1, 3, 4, 5, 6, 5, 6]]
    assert batch.responses.tolist() == [[41, 42, 43], [51, 52, 0], [61, 0, 0], [71, 72, 0]]
    assert batch.mask.long().tolist() == [[1, 1, 1], [1, 1, 0], [1, 0, 0], [1, 1, 0]]
    assert batch.predictors[batch.mask].tolist() == [4, 5, 6, 4, 8, 14, 14, 17]


def test_logits_in_chunks_equal_whole_logits(monkeypatch):
    model = build("qwen2_5_vl")
    whole = shared(model)
    monkeypatch.setattr(logprobs, "MAX_LOGITS", 5 * VOCABULARY + 1)
    assert_equal(shared(model), whole, tolerance=1e-6)


def test_logits_of_all_tokens_never_exist_whole(monkeypatch):
    """Neither in the forward nor in the backward pass: less is allocated in all than they alone would take."""
    monkeypatch.setattr(logprobs, "MAX_LOGITS", 8 * 32768)
    model = build("qwen2_5_vl", vocab_size=32768)
    groups = [group(3, 2, {"video": (2, 1, 2)}, 2, (120, 100, 180))]
    whole = 400 * 32768 * 4
    assert peak_bytes(lambda: naive(model, groups)) > whole
    model.zero_grad()
    assert peak_bytes(lambda: shared(model, groups)) < whole


def test_checkpointed_layers_are_run_again_in_the_backward_pass():
    model, calls = build("qwen2_5_vl"), Counter()
    for i, layer in enumerate(model.model.language_model.layers):
        layer.input_layernorm.register_forward_hook(lambda *_, i=i: calls.update([i]))
    shared(model)
    assert calls == {0: 1, 1: 1, 2: 1}
    recompute_activations(model)
    shared(model)
    assert calls == {0: 3, 1: 3, 2: 3}
    assert not any(layer.self_attn.training for layer in model.model.language_model.layers)


def test_the_model_takes_other_inputs_as_before():
    model = build("qwen2_5_vl")
    inputs = naive_step.collate(GROUPS, model.config, FORBIDDEN, CPU).inputs
    before = model(**inputs).logits
    shared(model)
    assert torch.equal(model(**inputs).logits, before)


def test_the_same_batch_gives_the_same_bytes():
    model = build("qwen2_5_vl")
    (first, first_grads), (second, second_grads) = shared(model), shared(model)
    assert torch.equal(first, second)
    assert all(torch.equal(first_grads[name], second_grads[name]) for name in first_grads)


def test_bfloat16_stays_near_float32():
    model = build("qwen2_5_vl")
    with torch.autocast("cpu", torch.bfloat16):
        coarse, _ = shared(model)
    exact, _ = shared(model)
    assert coarse.dtype == torch.float32
    assert torch.allclose(coarse, exact, atol=0.1)
    assert not torch.equal(coarse, exact)


def test_sliding_windows_are_refused():
    model = build("qwen2_5_vl", use_sliding_window=True, sliding_window=4, max_window_layers=0)
    with pytest.raises(ValueError, match="sliding"):
        shared(model)


@pytest.mark.gpu
@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_on_a_gpu_the_numbers_are_the_naive_ones(architecture):
    model, cuda = build(architecture).to("cuda"), torch.device("cuda")
    groups = [
        replace(g, visions={name: replace(v, features=v.features.to(cuda)) for name, v in g.visions.items()})
        for g in GROUPS
    ]
    expected = naive(model, groups, device=cuda)
    assert_equal(shared(model, groups, device=cuda), expected, tolerance=1e-4)
    with torch.autocast("cuda", torch.bfloat16):
        coarse, _ = shared(model, groups, device=cuda)
    assert torch.allclose(coarse, expected[0], atol=0.1)
