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


FIXED = DifficultyConfig(scaling="fixed", fixed_level=0.3, scale=0.5, max_level=0.8, min_level=0.7)


@pytest.mark.parametrize(
    ("delta", "expected_level", "expected_label"),
    [(0.0, 0.0, "kept"), (1e-9, 0.3, "hard"), (-1e-9, 0.3, "easy"), (0.5, 0.3, "hard"), (-1.0, 0.3, "easy")],
)
def test_a_fixed_level_is_the_same_for_every_delta_but_zero(delta, expected_level, expected_label):
    """min_level is above it, max_level and scale would give others: they belong to adaptive levels."""
    assert level(delta, FIXED) == expected_level
    assert label(delta, FIXED) == expected_label


@pytest.mark.parametrize("config", [{"scaling": "fixed", "fixed_level": 0.0}, {"max_level": 0.0, "min_level": 0.0}])
def test_a_level_of_zero_changes_nothing_and_is_kept(config):
    assert label(0.5, DifficultyConfig(**config)) == "kept"


def test_a_least_level_above_the_ceiling_is_refused_unless_levels_are_fixed():
    with pytest.raises(ValueError, match=r"min_level is 0\.5, max_level 0\.4: no level is between them"):
        DifficultyConfig(min_level=0.5, max_level=0.4)
    assert label(0.1, DifficultyConfig(min_level=0.5, max_level=0.4, scaling="fixed")) == "hard"


def test_a_window_that_is_empty_has_no_direction_with_a_fixed_level_either():
    row = {"sample_id": "s", "mean_reward": 0.5, "window_reward": None, "window_groups": 0, "difficulty": 0.0}
    record = difficulty_record(row, run_id="r", round_index=0, group_index=3, config=FIXED)
    assert (record.window_reward, record.label, record.level) == (None, "kept", 0.0)
