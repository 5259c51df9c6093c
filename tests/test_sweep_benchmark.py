"""The sweep: equal tries, shared choices, and what is done is read back."""

import json

import pytest
import sweep as module
from sweep import draw, sweep
from sweep_space import COMMON, OWN, settings_of

from flows.config import load_config
from trainer.config import LOSSES


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("number", range(8))
def test_every_try_is_a_valid_setting_of_its_algorithm(loss, number):
    assert load_config("tiny_benchmark", settings_of(loss, number)).train.loss.type == loss


def chosen(loss, number):
    return dict(setting.split("=", 1) for setting in settings_of(loss, number))


def test_a_trys_common_choices_are_the_same_for_all_and_each_value_comes_once_before_any_comes_twice():
    for name, values in COMMON.items():
        tries = [{chosen(loss, number)[name] for loss in LOSSES} for number in range(1, len(values) + 1)]
        assert all(len(found) == 1 for found in tries)
        assert {found.pop() for found in tries} == {repr(value) for value in values}
    for loss, own in OWN.items():
        for name, values in own.items():
            found = [chosen(loss, number)[name] for number in range(1, 2 * len(values) + 1)]
            assert sorted(found) == sorted(2 * [repr(value) for value in values])


def test_what_is_done_is_not_done_again_and_no_algorithm_is_ahead(tmp_path, monkeypatch):
    asked = []

    def one_try(loss, number, folder, overrides, num_samples):
        asked.append((number, loss))
        curve = [{"round_index": i, "accuracy": 0.5, "kl": None, "rho_std": 0.1, "grad_norm": 1.0} for i in range(2)]
        return {
            "loss": loss,
            "try": number,
            "settings": settings_of(loss, number),
            "accuracy": number / 10,
            "format": 1.0,
            "vanishing": 0.0,
            "seconds": 1.0,
            "curve": curve,
        }

    monkeypatch.setattr(module, "one_try", one_try)
    first = sweep(["grpo", "dpo"], 2, tmp_path, [], 1)
    assert asked == [(0, "grpo"), (0, "dpo"), (1, "grpo"), (1, "dpo")]
    assert sweep(["grpo", "dpo"], 2, tmp_path, [], 1) == first
    more = sweep(["grpo", "dpo"], 3, tmp_path, [], 1)
    assert more[:4] == first
    assert asked[4:] == [(2, "grpo"), (2, "dpo")]
    assert json.loads((tmp_path / "dpo-2.json").read_text()) == more[-1]
    draw(more, tmp_path / "curves.png")
    assert (tmp_path / "curves.png").stat().st_size > 1000
