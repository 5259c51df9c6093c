from types import SimpleNamespace

import pytest
import torch

from trainer.positions import mrope_positions

VIDEO = 9


def config(tokens_per_second=2):
    vision = SimpleNamespace(spatial_merge_size=2)
    if tokens_per_second is not None:
        vision.tokens_per_second = tokens_per_second
    return SimpleNamespace(vision_config=vision, video_token_id=VIDEO)


def test_worked_example_of_the_docstring():
    tokens = torch.tensor([1, 1, VIDEO, VIDEO, VIDEO, VIDEO, 1])
    positions = mrope_positions(tokens, torch.tensor([2, 2, 4]), 2.0, config())
    #           t  t  v00 v00 v01 v01 t
    expected = [
        [0, 1, 2, 2, 6, 6, 7],  # time
        [0, 1, 2, 2, 2, 2, 7],  # height
        [0, 1, 2, 3, 2, 3, 7],  # width
    ]
    assert positions.tolist() == expected


def test_a_fraction_of_a_second_is_cut_after_multiplying():
    tokens = torch.tensor([VIDEO] * 4 + [1])
    positions = mrope_positions(tokens, torch.tensor([4, 2, 2]), 0.75, config())
    assert positions[0].tolist() == [0, 1, 3, 4, 5]


@pytest.mark.parametrize("second_per_grid", [0.3333, 1.0, 7.7])
def test_without_tokens_per_second_frame_pairs_follow_one_another(second_per_grid):
    tokens = torch.tensor([1, VIDEO, VIDEO, VIDEO, 1])
    positions = mrope_positions(tokens, torch.tensor([3, 2, 2]), second_per_grid, config(None))
    assert positions[0].tolist() == [0, 1, 2, 3, 4]


def test_a_wide_still_counts_on_from_its_width():
    tokens = torch.tensor([1, VIDEO, VIDEO, VIDEO, 1, 1])
    positions = mrope_positions(tokens, torch.tensor([1, 2, 6]), 1.0, config())
    assert positions[2].tolist() == [0, 1, 2, 3, 4, 5]
