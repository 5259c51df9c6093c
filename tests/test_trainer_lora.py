"""LoRA in the train stage: what is trained, who is the reference, what is saved, and how the next round goes on."""

import gc
import json
import weakref
from pathlib import Path

import numpy as np
import peft
import pytest
import torch
from safetensors.torch import load_file
from train_round import CONFIG, run, saved, weights
from transformers import AutoModelForImageTextToText

import trainer.training
from storage.errors import UserError
from storage.files import Files
from storage.records import OldLogprobs
from storage.shards import Attempt
from trainer.config import LoraConfig
from trainer.lora import check_lora
from trainer.policy import load_policy, load_processor
from trainer.prefix import ResponseLogprobs
from trainer.probe import measure
from trainer.replay import replay
from trainer.training import Training, TrainInputs
from trainer.updates import updates

LORA = CONFIG.model_copy(update={"lora": LoraConfig(rank=4, alpha=8), "learning_rate": 1e-3})


def quiet(what, done, total, **figures):
    pass


def inputs(groups, checkpoint, **changes):
    return TrainInputs(
        **{
            "groups": groups,
            "policy": checkpoint,
            "reference": checkpoint,
            "optimizer": None,
            "locate": Path,
            "scratch": None,
            "run_id": "run",
            "round_index": 0,
            "seed": 0,
            **changes,
        }
    )


def after(attempt):
    """What the round after `attempt` begins with."""
    return {"policy": saved(attempt), "optimizer": saved(attempt, "optimizer"), "adapter": saved(attempt, "adapter")}


@pytest.fixture(scope="module")
def first(groups, checkpoint, tmp_path_factory):
    return run(tmp_path_factory.mktemp("first"), groups, checkpoint, LORA)


@pytest.fixture(scope="module")
def second(first, groups, checkpoint, tmp_path_factory):
    return run(tmp_path_factory.mktemp("second"), groups, checkpoint, LORA, **after(first[0]), round_index=1)


def scores(training, model):
    return np.concatenate([row for rows in training.score(model, training.encode()).values() for row in rows])


def of(attempt, name):
    return np.concatenate([getattr(row, name) for row in attempt.read_shard(OldLogprobs, "old_logprobs", 0)])


def test_the_adapter_off_is_the_reference_bit_for_bit(first, second, groups, checkpoint):
    training = Training(inputs(groups, checkpoint, **after(first[0])), LORA, quiet)
    wanted = scores(training, ResponseLogprobs(load_policy(checkpoint, trainable=False)))
    with training.reference() as reference:
        assert np.array_equal(scores(training, reference), wanted)
    on = scores(training, training.model)
    assert np.abs(on - wanted).max() > 1e-3
    assert np.array_equal(of(second[0], "ref_logps"), wanted)
    assert np.array_equal(of(second[0], "old_logps"), on)  # base + adapter, as theta is computed


def test_steps_change_the_adapter_of_the_language_model_and_nothing_else(first, groups, checkpoint):
    training = Training(inputs(groups, checkpoint), LORA, quiet)
    before = {name: value.clone() for name, value in training.policy.state_dict().items()}
    stored = {(r.group_id, r.rollout_index): r for r in first[0].read_shard(OldLogprobs, "old_logprobs", 0)}
    assert len(list(updates(training, training.encode(), stored))) == 4
    changed = {name for name, value in training.policy.state_dict().items() if not torch.equal(value, before[name])}
    trained = {name for name, value in training.policy.named_parameters() if value.requires_grad}
    assert changed == trained == {name for name in before if "lora_" in name}
    assert len(trained) == 2 * 7 * 4  # A and B of seven layers in each of four blocks
    assert all(name.startswith("model.language_model.layers.") for name in trained)
    base = weights(checkpoint)
    plain = {name.replace(".base_layer", ""): value for name, value in before.items() if name not in trained}
    assert plain.keys() == base.keys()
    assert all(torch.equal(plain[name], base[name]) for name in base)


def test_only_the_layers_that_are_named_get_an_adapter(groups, checkpoint):
    named = LORA.model_copy(update={"lora": LoraConfig(rank=2, alpha=2, target_modules=("v_proj", "q_proj"))})
    training = Training(inputs(groups, checkpoint), named, quiet)
    trained = {name.split(".")[5] for name, value in training.policy.named_parameters() if value.requires_grad}
    assert trained == {"q_proj", "v_proj"}


def test_the_checkpoint_is_an_ordinary_one_with_the_log_probs_of_base_and_adapter(first, groups, checkpoint):
    attempt, _, _ = first
    folder = saved(attempt)
    assert {path.name for path in folder.iterdir()} == {path.name for path in checkpoint.iterdir()}
    merged, said = AutoModelForImageTextToText.from_pretrained(
        folder, dtype=torch.float32, attn_implementation="sdpa", output_loading_info=True
    )
    assert not any(said.values())
    assert weights(folder).keys() == weights(checkpoint).keys()
    before, now = weights(checkpoint), weights(folder)
    moved = {name for name in before if not torch.equal(before[name], now[name])}
    assert len(moved) == 7 * 4
    assert all("_proj" in name and "visual" not in name for name in moved)
    training = Training(inputs(groups, checkpoint, **after(attempt)), LORA, quiet)
    for one, other in zip(*(measure(m, training.processor) for m in (training.policy, merged)), strict=True):
        assert np.allclose(one, other, atol=1e-5)
    # Responses of -20 nats a token are among these: in float64, so that what is left is the rounding of the merge.
    apart, together = (scores(training, ResponseLogprobs(model.double())) for model in (training.policy, merged.eval()))
    assert np.abs(apart - together).max() < 1e-5
    assert np.abs(of(attempt, "ref_logps") - together).max() > 1e-2


def test_the_adapter_opens_with_peft_and_holds_no_path_of_this_machine(first, checkpoint):
    folder = saved(first[0], "adapter")
    assert {path.name for path in folder.iterdir()} == {"adapter_config.json", "adapter_model.safetensors"}
    config = json.loads((folder / "adapter_config.json").read_text())
    assert config["base_model_name_or_path"] is None
    assert isinstance(config["target_modules"], str)  # a set would be written in any order
    opened = peft.PeftModel.from_pretrained(load_policy(checkpoint, trainable=False), folder)
    merged = load_policy(saved(first[0]), trainable=False)
    for one, other in zip(*(measure(m, load_processor(checkpoint)) for m in (opened, merged)), strict=True):
        assert np.allclose(one, other, atol=1e-5)


def test_the_same_round_gives_the_same_adapter(first, groups, checkpoint, tmp_path):
    again, steps, _ = run(tmp_path / "same", groups, checkpoint, LORA)
    assert steps == first[1]
    assert again.outputs == first[0].outputs
    other, _, _ = run(tmp_path / "other", groups, checkpoint, LORA, seed=1)
    one, two = (load_file(saved(attempt, "adapter") / "adapter_model.safetensors") for attempt in (again, other))
    assert any(not torch.equal(one[name], two[name]) for name in one)


def test_a_round_goes_on_from_the_adapter_of_the_one_before(first, second, groups, checkpoint, tmp_path):
    _, steps, rollouts = second
    assert steps[0].rho_std < 1e-5
    assert abs(steps[0].rho_mean) < 1e-5
    assert steps[0].kl > 1e-6
    assert all(row.policy_logp == pytest.approx(row.old_logp, abs=1e-4) for row in rollouts if row.step == 0)
    begun = load_file(saved(first[0], "adapter") / "adapter_model.safetensors")
    ended = load_file(saved(second[0], "adapter") / "adapter_model.safetensors")
    assert all(not torch.equal(begun[name], ended[name]) for name in begun)
    without = {**after(first[0]), "optimizer": None}
    _, fresh, _ = run(tmp_path, groups, checkpoint, LORA, **without, round_index=1)
    assert fresh[0] == steps[0]  # the same start
    assert fresh[1].loss != steps[1].loss  # another step: the moments are carried


def test_nothing_to_train_on_leaves_policy_and_adapter_as_they_are(first, checkpoint, tmp_path):
    attempt, steps, _ = run(tmp_path / "new", [], checkpoint, LORA)
    before, now = weights(checkpoint), weights(saved(attempt))
    assert steps == []
    assert all(torch.equal(before[name], now[name]) for name in before)
    attempt, _, _ = run(tmp_path / "later", [], checkpoint, LORA, **after(first[0]), round_index=1)
    kept = {name: digest for name, digest in first[0].outputs.items() if name.startswith("adapter/")}
    assert kept == {name: digest for name, digest in attempt.outputs.items() if name.startswith("adapter/")}
    assert attempt.outputs["checkpoint/model.safetensors"] == first[0].outputs["checkpoint/model.safetensors"]


def test_a_restart_reads_the_stored_log_probs_and_ends_the_same(second, first, groups, checkpoint, tmp_path):
    attempt, steps, _ = second
    rows = attempt.read_shard(OldLogprobs, "old_logprobs", 0)
    files = Files(tmp_path)
    Attempt(files, "00000/train", "key", 0, 1, {}, 0, {}).write(0, {"old_logprobs": rows})
    again, found, _ = run(tmp_path, groups, checkpoint, LORA, **after(first[0]), round_index=1)
    assert found == steps
    assert again.outputs == attempt.outputs


def test_a_replay_gives_the_same_steps(first, second, groups, checkpoint):
    for (attempt, steps, _), start in ((first, {}), (second, {**after(first[0]), "round_index": 1})):
        stored = attempt.read_shard(OldLogprobs, "old_logprobs", 0)
        assert replay(inputs(groups, checkpoint, **start), LORA, stored, 4, quiet) == steps


@pytest.mark.parametrize(("config", "models"), [(LORA, 1), (CONFIG, 2)], ids=["lora", "whole"])
def test_the_reference_is_a_model_of_its_own_without_lora_alone_and_never_stays(
    groups, checkpoint, tmp_path, monkeypatch, config, models
):
    loaded = []

    def load(*arguments, **settings):
        model = load_policy(*arguments, **settings)
        loaded.append(weakref.ref(model))
        return model

    monkeypatch.setattr(trainer.training, "load_policy", load)
    run(tmp_path, groups[:1], checkpoint, config)
    assert len(loaded) == models
    training = Training(inputs(groups, checkpoint), config, quiet)
    del loaded[:]
    with training.reference() as reference:
        assert reference is not None
    del reference
    gc.collect()
    assert [model() for model in loaded] == [None] * (models - 1)


@pytest.mark.parametrize("config", [LORA, CONFIG], ids=["lora", "whole"])
def test_recomputed_activations_give_the_same_steps(groups, checkpoint, config, first):
    stored = first[0].read_shard(OldLogprobs, "old_logprobs", 0)
    counts, steps = {}, {}
    for recompute in (False, True):
        chosen = config.model_copy(update={"gradient_checkpointing": recompute})
        training, calls = Training(inputs(groups[:1], checkpoint), chosen, quiet), []
        layer = training.policy.model.language_model.layers[1]
        layer.mlp.register_forward_pre_hook(lambda *_, calls=calls: calls.append(1))
        rows = {(row.group_id, row.rollout_index): row for row in stored}
        steps[recompute] = [step for step, _ in updates(training, training.encode(), rows)]
        counts[recompute] = len(calls)
    assert counts == {False: 2, True: 4}  # two updates; with it each computes the layer once more in its backward pass
    assert steps[True] == steps[False]
    assert steps[True][0].grad_norm > 0


@pytest.mark.usefixtures("forgetful")
def test_bfloat16_trains_a_float32_adapter(groups, checkpoint, tmp_path):
    half = LORA.model_copy(update={"dtype": "bfloat16"})
    attempt, steps, _ = run(tmp_path, groups[:1], checkpoint, half)
    assert steps[0].grad_norm > 0
    tensors = load_file(saved(attempt, "adapter") / "adapter_model.safetensors")
    assert {tensor.dtype for tensor in tensors.values()} == {torch.float32}
    assert {tensor.dtype for tensor in weights(saved(attempt)).values()} == {torch.float32}


@pytest.mark.parametrize("names", [("q_prj",), ("q_proj", "q_prj"), ("qkv",), ("lm_head",), ("embed_tokens",)])
def test_a_layer_that_the_language_model_has_not_is_said_with_those_it_has(checkpoint, names):
    with pytest.raises(UserError, match=f"no linear layer {names[-1]}; it has down_proj, .*v_proj") as said:
        check_lora(LoraConfig(target_modules=names), checkpoint)
    assert len(str(said.value).splitlines()) == 1


def test_a_policy_that_was_trained_whole_is_refused(groups, checkpoint, tmp_path):
    whole, _, _ = run(tmp_path, groups[:1], checkpoint)
    with pytest.raises(UserError, match=r"was trained whole; leave train.lora out, or start a run") as said:
        Training(inputs(groups, checkpoint, policy=saved(whole)), LORA, quiet)
    assert len(str(said.value).splitlines()) == 1


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"rank": 8}, "r was 4, now 8"),
        ({"alpha": 4}, "lora_alpha was 8, now 4"),
        ({"target_modules": ("q_proj",)}, "target_modules was "),
    ],
)
def test_an_adapter_of_other_settings_is_refused(first, groups, checkpoint, changes, said):
    other = LORA.model_copy(update={"lora": LORA.lora.model_copy(update=changes)})
    with pytest.raises(UserError, match=said) as error:
        Training(inputs(groups, checkpoint, **after(first[0])), other, quiet)
    assert len(str(error.value).splitlines()) == 1
