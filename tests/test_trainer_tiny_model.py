"""The embedded policy: its size, its tokenizer, and a checkpoint that loads like any other."""

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import assume, example, given
from hypothesis import strategies as st
from transformers import AutoProcessor, Qwen2_5_VLForConditionalGeneration

from stages.prompts import render
from trainer.tiny_model import build, save
from trainer.tiny_tokenizer import SPECIAL, TAGS, ChatTemplate, train_tokenizer

CORPUS = ["What colour is the circle? Answer with a word.<think>It is red.</think><answer>red</answer>"] * 3
TOKENIZER = train_tokenizer(CORPUS)


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("tiny")
    save(*build(CORPUS, seed=3), out)
    return out


@given(st.lists(st.one_of(st.text(st.characters(exclude_categories=["Cs"])), st.sampled_from(TAGS)), max_size=6))
@example(["<|vision_start", ">"])
def test_any_text_round_trips_tags_included(parts: list[str]) -> None:
    text = "".join(parts)
    assume(not any(token in text for token in SPECIAL))  # these are skipped: the test after next
    ids = TOKENIZER.encode(text, add_special_tokens=False)
    assert TOKENIZER.decode(ids, skip_special_tokens=True) == text


def test_text_that_is_not_normalised_round_trips() -> None:
    text = "e\u0301 \u212b  \t\n <think >"
    assert TOKENIZER.decode(TOKENIZER.encode(text)) == text


def test_tags_and_special_tokens_are_one_token_each_and_only_special_ones_are_skipped() -> None:
    for token in TAGS + SPECIAL:
        ids = TOKENIZER.encode(token)
        assert len(ids) == 1
        assert TOKENIZER.decode(ids, skip_special_tokens=True) == ("" if token in SPECIAL else token)


def test_the_model_has_one_to_three_million_parameters_and_its_seed_decides_them(checkpoint: Path) -> None:
    model = Qwen2_5_VLForConditionalGeneration.from_pretrained(checkpoint)
    assert model.dtype == torch.float32
    assert 1e6 <= sum(parameter.numel() for parameter in model.parameters()) <= 3e6
    again, _ = build(CORPUS, seed=3)
    other, _ = build(CORPUS, seed=4)
    state = model.state_dict()
    assert all(torch.equal(state[name], value) for name, value in again.state_dict().items())
    assert any(not torch.equal(state[name], value) for name, value in other.state_dict().items())


def test_the_loaded_processor_renders_and_its_placeholders_equal_the_features(checkpoint: Path) -> None:
    processor = AutoProcessor.from_pretrained(checkpoint)
    model = Qwen2_5_VLForConditionalGeneration.from_pretrained(checkpoint).eval()
    prompt = render(processor, "What colour is the circle?")
    assert prompt == render(ChatTemplate(), "What colour is the circle?")
    assert prompt == (
        "<|im_start|>user\n<|vision_start|><|video_pad|><|vision_end|>What colour is the circle?<|im_end|>\n"
        "<|im_start|>assistant\n"
    )
    for size, num_tokens in ((56, 16), (84, 36), (112, 64)):
        frames = np.zeros((8, size, size, 3), np.uint8)
        metadata = [{"fps": 4.0, "total_num_frames": 8, "frames_indices": list(range(8))}]
        batch = processor(text=[prompt], videos=[frames], video_metadata=metadata, return_tensors="pt")
        assert int((batch["input_ids"] == model.config.video_token_id).sum()) == num_tokens
        features = model.model.visual(batch["pixel_values_videos"], grid_thw=batch["video_grid_thw"]).pooler_output
        assert features.shape == (num_tokens, model.config.text_config.hidden_size)
        assert torch.isfinite(model(**batch).logits).all()


def test_generation_ends_with_the_end_of_turn(checkpoint: Path) -> None:
    processor = AutoProcessor.from_pretrained(checkpoint)
    model = Qwen2_5_VLForConditionalGeneration.from_pretrained(checkpoint)
    assert model.generation_config.eos_token_id == processor.tokenizer.convert_tokens_to_ids("<|im_end|>")
    assert model.generation_config.pad_token_id == processor.tokenizer.pad_token_id
