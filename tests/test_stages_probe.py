"""The probe against engines that hold the right weights, wrong ones, or the ones before."""

import numpy as np
import pytest

from stages.engine import EngineError, Policy
from stages.probe import check_probe
from storage.probe import Probe, write_probe

TOKENS = [np.arange(5, dtype=np.int32), np.arange(9, dtype=np.int32)]


class Scorer:
    """An engine whose log-probs are a constant."""

    def __init__(self, value):
        self.value = value

    def score(self, sequences):
        return [np.full(len(tokens) - 1, self.value, np.float32) for tokens in sequences]


def policy(tmp_path, new, old):
    constant = lambda value: [np.full(len(tokens) - 1, value, np.float32) for tokens in TOKENS]  # noqa: E731
    write_probe(tmp_path / "probe.parquet", Probe(TOKENS, constant(new), constant(old)))
    return Policy(tmp_path, tmp_path / "probe.parquet", 3)


def test_the_right_weights_pass_and_the_difference_is_returned(tmp_path):
    assert check_probe(Scorer(-2.0004), policy(tmp_path, -2.0, -1.0), "float32") == pytest.approx(4e-4, rel=1e-2)


@pytest.mark.parametrize(("value", "dtype"), [(-2.01, "float32"), (-2.2, "bfloat16"), (float("nan"), "float32")])
def test_other_weights_stop_the_run(tmp_path, value, dtype):
    with pytest.raises(EngineError, match="other weights"):
        check_probe(Scorer(value), policy(tmp_path, -2.0, -1.0), dtype)


def test_the_policy_before_is_told_apart_even_within_the_tolerance(tmp_path):
    with pytest.raises(EngineError, match="kept the old weights"):
        check_probe(Scorer(-2.0), policy(tmp_path, -2.0005, -2.0), "float32")


def test_a_step_too_small_to_see_in_bfloat16_is_no_error(tmp_path):
    assert check_probe(Scorer(-2.0), policy(tmp_path, -2.0005, -2.0), "bfloat16") < 1e-3
