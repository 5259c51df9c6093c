"""What a stage depends on, and what it does not."""

import pytest

from flows.config import load_config
from flows.stage_specs import SPECS, window_rounds


def config(*overrides):
    return load_config("tiny", ["select.samples_per_round=10", *(f"difficulty.{setting}" for setting in overrides)])


@pytest.mark.parametrize(
    ("settings", "round_index", "expected"),
    [
        (["window_size=20"], 5, [2, 3, 4]),  # one more than a full window needs
        (["window_size=21"], 5, [1, 2, 3, 4]),
        (["window_size=3"], 5, [3, 4]),  # a round is larger than the window
        (["window_size=1000"], 2, [0, 1]),  # the window is larger than the history
        (["window_unit=rounds", "window_size=2"], 5, [3, 4]),
        (["window_unit=rounds", "window_size=100"], 2, [0, 1]),
        (["window_unit=rounds", "window_size=2"], 0, []),
        (["reference=absolute", "window_size=20"], 5, []),
        (["reference=absolute", "window_unit=rounds"], 5, []),
    ],
)
def test_the_rounds_that_can_hold_the_window(settings, round_index, expected):
    chosen = config(*settings)
    assert list(window_rounds(chosen, round_index)) == expected
    inputs = SPECS["difficulty"].inputs(chosen, round_index)
    assert inputs == [f"{earlier:05d}/rollout" for earlier in [*expected, round_index]]


@pytest.mark.parametrize("stage", ["rollout", "augment", "rollout_augmented"])
def test_what_the_reference_samples_does_not_depend_on_the_rounds_before(stage):
    from_current = load_config("tiny")
    from_reference = load_config("tiny", ["rollout.policy=reference", "train.loss={type='dpo'}"])
    assert "00001/train" in SPECS[stage].inputs(from_current, 2)
    found = SPECS[stage].inputs(from_reference, 2)
    assert "initial_policy" in found
    assert "00001/train" not in found
    assert SPECS["evaluate"].inputs(from_reference, 2) == ["data", "00001/train"]
    assert "00001/train" in SPECS["train"].inputs(from_reference, 2)


def test_how_many_processes_train_is_in_no_key():
    settings = SPECS["train"].settings
    several = ["train.num_processes=2", "train.strategy=fsdp2"]
    assert settings(load_config("tiny", several)) == settings(load_config("tiny"))
    assert settings(load_config("tiny", ["train.learning_rate=1e-7"])) != settings(load_config("tiny"))


@pytest.mark.parametrize("stage", ["rollout", "augment", "rollout_augmented", "evaluate"])
def test_a_video_s_time_limit_makes_nothing_stale_and_its_frame_rate_does(stage):
    plain, patient, faster = (
        SPECS[stage].settings(load_config("tiny", overrides))
        for overrides in ([], ["video.timeout_seconds=999", "video.cache_gib=1"], ["video.frames_per_second=2"])
    )
    assert patient == plain != faster
