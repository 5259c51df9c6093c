import pytest

from stages.config import DifficultyConfig
from stages.difficulty import difficulty_record, label, level

CONFIG = DifficultyConfig(scale=0.5, max_level=0.8, min_level=0.2)


@pytest.mark.parametrize(
    ("delta", "expected_level", "expected_label"),
    [
        (0.0, 0.0, "kept"),
        (0.05, 0.08, "kept"),  # below min_level
        (0.125, 0.2, "hard"),  # at min_level
        (-0.25, 0.4, "easy"),
        (0.5, 0.8, "hard"),
        (-1.0, 0.8, "easy"),  # the ceiling
    ],
)
def test_level_and_label(delta, expected_level, expected_label):
    assert level(delta, CONFIG) == pytest.approx(expected_level)
    assert label(delta, CONFIG) == expected_label


def test_delta_of_zero_is_kept_even_without_a_minimum():
    assert label(0.0, DifficultyConfig(min_level=0.0)) == "kept"


def test_an_empty_window_leaves_no_mean():
    row = {"sample_id": "s", "mean_reward": 0.5, "window_reward": None, "window_groups": 0, "difficulty": 0.0}
    record = difficulty_record(row, run_id="r", round_index=0, group_index=3, config=CONFIG)
    assert (record.window_reward, record.label, record.level, record.group_index) == (None, "kept", 0.0, 3)
