from types import SimpleNamespace

import pytest
import torch
from transformers import Qwen2_5_VLConfig, Qwen2_5_VLModel, Qwen2VLConfig, Qwen2VLModel

from trainer.positions import Grid, mrope_positions

VIDEO, IMAGE = 9, 8


def config(tokens_per_second=2):
    vision = SimpleNamespace(spatial_merge_size=2)
    if tokens_per_second is not None:
        vision.tokens_per_second = tokens_per_second
    return SimpleNamespace(vision_config=vision, video_token_id=VIDEO, image_token_id=IMAGE)


def test_worked_example_of_the_docstring():
    tokens = torch.tensor([1, 1, VIDEO, VIDEO, VIDEO, VIDEO, 1, IMAGE, IMAGE, 1])
    grids = {"video": Grid(torch.tensor([2, 2, 4]), 2.0), "image": Grid(torch.tensor([1, 2, 4]))}
    #    t  t  v00 v00 v01 v01 t i0 i0 t
    expected = [
        [0, 1, 2, 2, 6, 6, 7, 8, 8, 10],  # time
        [0, 1, 2, 2, 2, 2, 7, 8, 8, 10],  # height
        [0, 1, 2, 3, 2, 3, 7, 8, 9, 10],  # width
    ]
    assert mrope_positions(tokens, grids, config()).tolist() == expected
    assert mrope_positions(tokens, dict(reversed(grids.items())), config()).tolist() == expected


def test_an_image_alone():
    tokens = torch.tensor([1, IMAGE, IMAGE, IMAGE, IMAGE, 1, 1])
    positions = mrope_positions(tokens, {"image": Grid(torch.tensor([1, 4, 4]))}, config())
    assert positions.tolist() == [[0, 1, 1, 1, 1, 3, 4], [0, 1, 1, 2, 2, 3, 4], [0, 1, 2, 1, 2, 3, 4]]


ARCHITECTURES = {"qwen2_vl": (Qwen2VLConfig, Qwen2VLModel), "qwen2_5_vl": (Qwen2_5_VLConfig, Qwen2_5_VLModel)}
SHOWN = {
    "video": [("video", (3, 6, 10))],
    "image": [("image", (1, 8, 4))],
    "video, image": [("video", (2, 4, 12)), ("image", (1, 10, 6))],
    "image, video": [("image", (1, 2, 2)), ("video", (4, 10, 4))],
}
"""Videos that take no more positions in time than in space, where transformers counts on as vLLM does."""


@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize("shown", SHOWN)
def test_positions_are_those_of_transformers(architecture, shown):
    configuration, model = ARCHITECTURES[architecture]
    small = {"text_config": {"num_hidden_layers": 1}, "vision_config": {"depth": 1}}
    settings = configuration(**small, video_token_id=VIDEO, image_token_id=IMAGE)
    with torch.device("meta"):
        oracle = model(settings)
    tokens, types, grids = [1, 1, 1], [0, 0, 0], {}
    for modality, (steps, height, width) in SHOWN[shown]:
        count = steps * height * width // 4
        tokens += [VIDEO if modality == "video" else IMAGE] * count + [1, 1]
        types += [2 if modality == "video" else 1] * count + [0, 0]
        grids[modality] = Grid(torch.tensor([steps, height, width]), 0.3)
    thw = {f"{name}_grid_thw": grid.thw[None] for name, grid in grids.items()}
    seconds = {"second_per_grid_ts": torch.tensor([0.3])} if architecture == "qwen2_5_vl" else {}
    expected, _ = oracle.get_rope_index(torch.tensor([tokens]), torch.tensor([types]), **thw, **seconds)
    assert mrope_positions(torch.tensor(tokens), grids, settings).tolist() == expected[:, 0].tolist()


def test_a_fraction_of_a_second_is_cut_after_multiplying():
    tokens = torch.tensor([VIDEO] * 4 + [1])
    positions = mrope_positions(tokens, {"video": Grid(torch.tensor([4, 2, 2]), 0.75)}, config())
    assert positions[0].tolist() == [0, 1, 3, 4, 5]


@pytest.mark.parametrize("second_per_grid", [0.3333, 1.0, 7.7])
def test_without_tokens_per_second_frame_pairs_follow_one_another(second_per_grid):
    tokens = torch.tensor([1, VIDEO, VIDEO, VIDEO, 1])
    positions = mrope_positions(tokens, {"video": Grid(torch.tensor([3, 2, 2]), second_per_grid)}, config(None))
    assert positions[0].tolist() == [0, 1, 2, 3, 4]


def test_a_wide_still_counts_on_from_its_width():
    tokens = torch.tensor([1, VIDEO, VIDEO, VIDEO, 1, 1])
    positions = mrope_positions(tokens, {"video": Grid(torch.tensor([1, 2, 6]), 1.0)}, config())
    assert positions[2].tolist() == [0, 1, 2, 3, 4, 5]
