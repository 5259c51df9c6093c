"""NoisyRollout groups: half clean, half noisy, all on the clean input, each row found again where it came from."""

import dataclasses

import numpy as np
import pytest
from conftest import rollout_with

from stages.curate import curate
from stages.noisy_rollout import RESPONSE_FIELDS, mixed_group
from storage.records import Media, Rollout

ARRAYS = {"prompt_token_ids", "response_token_ids", "engine_logprobs", "frame_indices"}


def group(pass_, rewards, kind="none", **fields):
    return [
        rollout_with(
            pass_=pass_, rollout_index=i, reward=float(reward), augmentation=kind, response=f"{pass_} {i}", **fields
        )
        for i, reward in enumerate(rewards)
    ]


def noisy(rewards, kind="noise"):
    """An augmented group in which every field differs from the clean one's."""
    tokens = np.array([7, 8, 9], np.int32)
    return group(
        "augmented", rewards, kind, level=0.75, prompt="Noisy?", prompt_token_ids=tokens, response_token_ids=tokens,
        engine_logprobs=np.array([-1.0, -2.0, -3.0], np.float32), media=Media("videos/noisy.avi", "1" * 64),
        frame_indices=np.arange(5, dtype=np.int64), video_fps=2.0, video_num_frames=5, min_pixels=1, max_pixels=2,
    )  # fmt: skip


def trained(rollouts, **settings):
    groups, dropped = curate(rollouts, run_id="run", seed=0, round_index=0, **{"noisy_rollout": True} | settings)
    return [[row.rollout for row in found] for found in groups], dropped


def names(rollouts):
    return [(r.pass_, r.rollout_index) for r in rollouts]


def test_the_first_halves_on_the_clean_input():
    clean, altered = group("original", [0, 1, 2, 3]), noisy([3, 2, 1, 0])
    mixed = mixed_group(clean, altered)
    assert names(mixed) == [("original", 0), ("original", 1), ("augmented", 0), ("augmented", 1)]
    assert mixed[:2] == clean[:2]
    for row, source in zip(mixed[2:], altered, strict=False):
        for field in dataclasses.fields(Rollout):
            expected = source if field.name in RESPONSE_FIELDS else clean[0]
            found, wanted = getattr(row, field.name), getattr(expected, field.name)
            assert np.array_equal(found, wanted) if field.name in ARRAYS else found == wanted, field.name
        assert row.media == clean[0].media
        assert (row.response, row.reward, row.level) == (source.response, source.reward, 0.75)


def test_rows_are_unique_and_found_in_the_groups_they_come_from():
    clean, altered = group("original", [0, 1, 2, 3]), noisy([3, 2, 1, 0])
    keys = [(r.group_id, r.rollout_index) for r in mixed_group(clean, altered)]
    assert len(set(keys)) == 4
    assert set(keys) < {(r.group_id, r.rollout_index) for r in clean + altered}


@pytest.mark.parametrize("kind", ["noise", "mask"])
def test_curate_mixes_what_was_altered_on_the_video(kind):
    (found,), dropped = trained(group("original", [0, 1]) + noisy([1, 0], kind) + group("control", [0, 1]))
    assert names(found) == [("original", 0), ("augmented", 0)]
    assert not dropped


def test_rollout_index_decides_the_halves_not_the_order_of_the_rows():
    rollouts = group("original", [0, 1, 0, 1]) + noisy([1, 0, 1, 0])
    assert names(trained(rollouts[::-1])[0][0]) == names(trained(rollouts)[0][0])


@pytest.mark.parametrize(
    ("rollouts", "settings"),
    [
        (group("original", [0, 1]) + group("augmented", [1, 0], "hint"), {}),
        (group("original", [0, 1]) + noisy([1, 0]), {"noisy_rollout": False}),
    ],
)
def test_hints_and_a_switched_off_mix_train_on_the_augmented_group(rollouts, settings):
    (found,), _ = trained(rollouts, **settings)
    assert names(found) == [("augmented", 0), ("augmented", 1)]


def test_a_sample_without_an_augmented_group_trains_on_its_original():
    (found,), _ = trained(group("original", [0, 1]))
    assert names(found) == [("original", 0), ("original", 1)]


def test_equal_rewards_are_judged_over_the_mixed_group():
    """Halves that are alike in themselves differ from each other, and the other way round."""
    (found,), dropped = trained(group("original", [0, 0, 0, 0]) + noisy([1, 1, 1, 1]))
    assert [r.reward for r in found] == [0, 0, 1, 1]
    assert not dropped
    live, (left,) = trained(group("original", [1, 1, 0, 0]) + noisy([1, 1, 0, 2]))
    assert live == []
    assert (left.sample_id, left.pass_, left.reason) == ("s0", "augmented", "equal_rewards")
    assert left.detail == "all 4 rewards, of clean and noisy responses, are 1: no advantage to learn from"
