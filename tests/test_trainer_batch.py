"""What the trainer encodes is what the engine was shown: altered frames from a file or from a seed, never the clean."""

from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import ALTERATIONS, rollout_with
from transformers import Qwen2VLConfig, Qwen2VLForConditionalGeneration, Qwen2VLProcessor

from flows.config import load_config
from stages.alterations import cue, make_harder
from stages.config import AugmentConfig
from stages.deterministic_engine import DeterministicEngine
from stages.engine import Policy
from stages.rollout import Query, Scene, roll_out, to_roll_out
from storage.altered import store_altered
from storage.datasets import shapes
from storage.encode import write_video
from storage.files import Files
from storage.image import png_bytes
from storage.records import Alteration, Difficulty, Media
from storage.samples import local_path
from storage.video import read_video
from trainer.batch import Group, ParityError, encode_group, forward_passes
from trainer.policy import load_policy, load_processor


@pytest.fixture(scope="module")
def world(checkpoint, tmp_path_factory):
    """The policy, a scene and a sample with a span, of an mp4 at a rate that is no whole number."""
    root = tmp_path_factory.mktemp("batch")
    shapes.generate(root / "data", seed=3, num_train=1, num_validation=0)
    config, files = load_config("tiny", ["rollout.group_size=2", "video.num_frames=5"]), Files(root / "run")
    engine, processor = DeterministicEngine(config.video, checkpoint), load_processor(checkpoint)
    engine.load(Policy(checkpoint, checkpoint, 0))
    locate = lambda path: local_path(files, path)  # noqa: E731
    scene = Scene("run", 1, "augment", 0, 0, engine, processor, config.video, config.prompts, config.rewards, locate)
    sample = replace(shapes.load(root / "data")[0], problem_type="number", options=(), answer="2", spans=((0.5, 1.0),))
    return load_policy(checkpoint, trainable=False), scene, files, config.rollout, sample


def encoded(world, alteration, media):
    """The group that the trainer makes of what the engine answered, and one of its rollouts."""
    model, scene, _, config, sample = world
    asked, dropped = to_roll_out([Query(sample, "augmented", 0, media, alteration=alteration)], scene)
    assert not dropped
    rollouts = roll_out(asked, config, scene)
    return encode_group(rollouts, model, scene.processor, scene.locate, torch.device("cpu")), rollouts[0]


@pytest.mark.parametrize("kind", ALTERATIONS)
def test_features_are_the_same_from_file_and_seed_and_not_those_of_the_clean_video(world, kind):
    _, scene, files, _, sample = world
    work = make_harder if kind in ("noise", "mask") else cue
    groups = {}
    for storage in ("video", "seed"):
        difficulty = Difficulty("run", 1, 0, sample.sample_id, 0.5, 0.5, 9, 0.3, "easy", 0.8)
        config = AugmentConfig(storage=storage, **ALTERATIONS[kind])
        row = work(sample, difficulty, config, scene, partial(store_altered, files))
        groups[storage] = encoded(world, row.alteration, row.media)
    (file, first), (seed, second) = groups.values()
    clean, _ = encoded(world, Alteration(), sample.media)
    file, seed, clean = (group.visions["video"] for group in (file, seed, clean))
    assert torch.equal(file.features, seed.features)
    assert file.grid.second_per_step == seed.grid.second_per_step == clean.grid.second_per_step
    assert file.features.shape == clean.features.shape
    assert not torch.equal(file.features, clean.features)
    assert first.prompt == second.prompt
    assert np.array_equal(first.prompt_token_ids, second.prompt_token_ids)
    assert Path(second.media.video_path) == Path(sample.video_path) != Path(first.media.video_path)


@pytest.fixture(scope="module")
def image(tmp_path_factory):
    """The path of an image that is reduced to the pixel limit; higher than wide, as the videos are not."""
    pixels = np.random.default_rng(0).integers(0, 256, (200, 120, 3), dtype=np.uint8)
    path = tmp_path_factory.mktemp("image") / "x.png"
    path.write_bytes(png_bytes(pixels))
    return str(path)


def test_an_image_is_encoded_once_beside_the_video_and_alone(world, image):
    model, _, _, _, sample = world
    video_alone, _ = encoded(world, Alteration(), sample.media)
    both, rollout = encoded(world, Alteration(), replace(sample.media, image_path=image))
    image_alone, other = encoded(world, Alteration(), Media(image_path=image))
    assert list(both.visions) == ["video", "image"]
    assert list(image_alone.visions) == ["image"]
    assert torch.equal(both.visions["video"].features, video_alone.visions["video"].features)
    assert torch.equal(both.visions["image"].features, image_alone.visions["image"].features)
    counts = {
        name: int((rollout.prompt_token_ids == getattr(model.config, f"{name}_token_id")).sum())
        for name in both.visions
    }
    assert counts == {name: len(vision.features) for name, vision in both.visions.items()}
    _, height, width = (both.visions["image"].grid.thw // 2).tolist()
    assert (height, width) == (5, 3)  # 200 x 120 is reduced to 144 x 86, at most 112 x 112 pixels, then to 140 x 84
    assert (len(other.frame_indices), other.video_fps, other.video_num_frames) == (0, None, None)
    assert (other.media, len(rollout.frame_indices)) == (Media(image_path=image), 5)


def test_noise_on_an_image_shows_in_its_features_from_file_and_seed(world, image):
    _, scene, files, _, sample = world
    groups = []
    for storage in ("video", "seed"):
        difficulty = Difficulty("run", 1, 0, sample.sample_id, 0.5, 0.5, 9, 0.3, "easy", 0.8)
        pictured = replace(sample, image_path=image)
        row = make_harder(pictured, difficulty, AugmentConfig(storage=storage), scene, partial(store_altered, files))
        groups.append(encoded(world, row.alteration, row.media)[0])
    file, seed = (group.visions["image"].features for group in groups)
    clean = encoded(world, Alteration(), Media(image_path=image))[0].visions["image"].features
    assert torch.equal(file, seed)
    assert not torch.equal(file, clean)


def test_a_placeholder_without_features_is_refused(world):
    """A question that spells one becomes one: the model would be shown nothing there, or features of something else."""
    model, scene, _, config, sample = world
    query = Query(replace(sample, question="What is <|image_pad|>?"), "original", 0, sample.media)
    rows = roll_out(to_roll_out([query], scene)[0], config, scene)
    with pytest.raises(ParityError, match=f"sample {sample.sample_id}: 1 image placeholders, but 0 features"):
        encode_group(rows, model, scene.processor, scene.locate, torch.device("cpu"))


def test_qwen2_vl_encodes_video_and_image(world, image):
    """Its own processor, which gives no seconds, and its own encoder."""
    _, scene, _, config, sample = world
    tiny = scene.processor
    own = Qwen2VLProcessor(tiny.image_processor, tiny.tokenizer, tiny.video_processor, tiny.chat_template)
    known = tiny.tokenizer.get_vocab()
    model = Qwen2VLForConditionalGeneration(
        Qwen2VLConfig(
            text_config={"vocab_size": len(known), "hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2},
            vision_config={"depth": 1, "embed_dim": 32, "num_heads": 2, "hidden_size": 32},
            video_token_id=known["<|video_pad|>"],
            image_token_id=known["<|image_pad|>"],
        )
    )
    query = Query(sample, "original", 0, replace(sample.media, image_path=image))
    there = replace(scene, processor=own)
    rows = roll_out(to_roll_out([query], there)[0], config, there)
    group = encode_group(rows, model, own, scene.locate, torch.device("cpu"))
    assert {name: vision.grid.second_per_step for name, vision in group.visions.items()} == {"video": 1, "image": 1}


def group_of(prompt, *responses):
    rows = [rollout_with(prompt_token_ids=np.zeros(prompt), response_token_ids=np.zeros(n)) for n in responses]
    return Group(rows, {})


def test_a_groups_tokens_are_its_prompt_once_and_its_padded_responses():
    assert group_of(10, 3, 1, 2).num_tokens == 10 + 3 * 3


@pytest.mark.parametrize(
    ("max_tokens", "passes"),
    [(1, [1, 1, 1, 1]), (19, [1, 1, 1, 1]), (20, [2, 1, 1]), (40, [2, 1, 1]), (60, [3, 1]), (90, [4]), (10**9, [4])],
)
def test_forward_passes_keep_the_order_and_their_budget(max_tokens, passes):
    groups = [group_of(8, 1, 1), group_of(6, 2, 1), group_of(20, 5, 5), group_of(30, 5, 4)]  # 10, 10, 30, 40 tokens
    found = forward_passes(groups, max_tokens)
    assert [len(some) for some in found] == passes
    assert [group for some in found for group in some] == groups
    assert all(sum(group.num_tokens for group in some) <= max_tokens for some in found if len(some) > 1)


def test_a_part_is_the_same_for_engine_trainer_and_altered_file_and_as_a_file_of_its_own(world, tmp_path):
    """The second of two seconds at 4 frames a second."""
    _, scene, files, _, sample = world
    part = replace(sample, part_start=1.0, part_end=2.0)
    group, rollout = encoded(world, Alteration(), part.media)
    assert (rollout.media.part, rollout.frame_indices.tolist()) == ((1.0, 2.0), [0, 1, 2, 3])
    assert (rollout.video_num_frames, rollout.video_fps) == (4, 4.0)
    write_video(tmp_path / "cut.mkv", read_video(sample.video_path).frames[4:], 4, "ffv1")
    alone, same = encoded(world, Alteration(), Media(str(tmp_path / "cut.mkv")))
    assert np.array_equal(rollout.prompt_token_ids, same.prompt_token_ids)
    assert torch.equal(group.visions["video"].features, alone.visions["video"].features)
    assert group.visions["video"].grid.second_per_step == alone.visions["video"].grid.second_per_step
    difficulty = Difficulty("run", 1, 0, sample.sample_id, 0.5, 0.5, 9, 0.3, "easy", 0.8)
    features = []
    for storage in ("video", "seed"):
        row = make_harder(part, difficulty, AugmentConfig(storage=storage), scene, partial(store_altered, files))
        assert row.media.part == (None if storage == "video" else (1.0, 2.0))
        altered, rollout = encoded(world, row.alteration, row.media)
        assert len(rollout.frame_indices) == 4
        features.append(altered.visions["video"].features)
    assert torch.equal(*features)
    outside = replace(part.media, part_start=2.0, part_end=3.0)
    asked, dropped = to_roll_out([Query(part, "original", 0, outside)], scene)
    assert asked == []
    assert (dropped[0].sample_id, dropped[0].reason) == (sample.sample_id, "unreadable_video")
    assert "lasts 2.00 s, so its part from 2 s on is empty" in dropped[0].detail


@pytest.mark.parametrize(("num_frames", "expected"), [(8, [0, 1, 2, 4, 5, 6]), (4, [0, 2, 4, 6])])
def test_frames_at_a_rate_are_the_same_for_engine_trainer_and_altered_file(world, num_frames, expected):
    """Two seconds at 4 frames a second, three shown of each, num_frames at most; the file holds only those."""
    model, scene, files, config, sample = world
    video = scene.video.model_copy(update={"frames_per_second": 3.0, "num_frames": num_frames})
    other = (model, replace(scene, video=video), files, config, sample)
    clean, rollout = encoded(other, Alteration(), sample.media)
    assert rollout.frame_indices.tolist() == expected
    difficulty = Difficulty("run", 1, 0, sample.sample_id, 0.5, 0.5, 9, 0.3, "easy", 0.8)
    features = []
    for storage in ("video", "seed"):
        row = make_harder(sample, difficulty, AugmentConfig(storage=storage), other[1], partial(store_altered, files))
        group, rollout = encoded(other, row.alteration, row.media)
        assert len(rollout.frame_indices) == len(expected)
        features.append(group.visions["video"].features)
    assert torch.equal(*features)
    assert features[0].shape == clean.visions["video"].features.shape
