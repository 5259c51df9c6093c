"""The advantage by hand, against the statistics module, and at the edges where floats round."""

import math
import statistics
from typing import Literal

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from trainer.advantage import advantages, as_groups, live_groups


def rewards_of(*values: float) -> torch.Tensor:
    return torch.tensor(values, dtype=torch.float64)


def test_population_std_by_hand() -> None:
    # Mean 1; squares 1, 0, 0, 1; std sqrt(2 / 4). The second group is dead.
    result = advantages(rewards_of(0, 1, 1, 2, 1, 1, 1, 1), 4)
    torch.testing.assert_close(result, rewards_of(-math.sqrt(2), 0, 0, math.sqrt(2), 0, 0, 0, 0))


def test_sample_std_by_hand() -> None:
    # The same squares, divided by 3.
    result = advantages(rewards_of(0, 1, 1, 2), 4, std="sample")
    torch.testing.assert_close(result, rewards_of(-math.sqrt(1.5), 0, 0, math.sqrt(1.5)))


def test_eps_is_added_to_the_std_in_reward_units() -> None:
    # Mean 3, std 3: 3 / (3 + 1).
    torch.testing.assert_close(advantages(rewards_of(0, 6), 2, eps=1.0), rewards_of(-0.75, 0.75))


@pytest.mark.parametrize("std", ["population", "sample"])
@pytest.mark.parametrize("eps", [0.0, 1e-4])
def test_agrees_with_the_statistics_module(std: Literal["population", "sample"], eps: float) -> None:
    generator = torch.Generator().manual_seed(0)
    rewards = 3 * torch.rand(30, generator=generator, dtype=torch.float64)
    deviation = statistics.pstdev if std == "population" else statistics.stdev
    expected = []
    for start in range(0, 30, 5):
        group = rewards[start : start + 5].tolist()
        expected += [(reward - statistics.fmean(group)) / (deviation(group) + eps) for reward in group]
    torch.testing.assert_close(advantages(rewards, 5, std=std, eps=eps), rewards_of(*expected))


@pytest.mark.parametrize(("value", "group_size"), [(0.1, 3), (0.7, 3), (0.1, 6), (2.9, 7)])
@pytest.mark.parametrize("std", ["population", "sample"])
def test_equal_rewards_are_exactly_dead_although_their_mean_rounds(
    value: float, group_size: int, std: Literal["population", "sample"]
) -> None:
    rewards = torch.full((group_size,), value, dtype=torch.float64)
    assert (rewards - rewards.mean()).abs().max() > 0  # a test on the float std would call this group live
    result = advantages(rewards, group_size, std=std)
    assert result.tolist() == [0.0] * group_size
    assert live_groups(result, group_size).tolist() == [False]


@pytest.mark.parametrize("rewards", [(0.0, 0.0, 5e-324), (0.0, 1e-200, 2e-200), (1.0, 1.0, math.nextafter(1.0, 2.0))])
def test_the_smallest_difference_is_live_and_finite(rewards: tuple[float, ...]) -> None:
    result = advantages(rewards_of(*rewards), 3)
    assert live_groups(result, 3).tolist() == [True]
    assert result.square().mean().item() == pytest.approx(1.0, rel=0.2)
    assert result.argmax().item() == 2


# Half of the smallest subnormal rounds to 0: such a mean is no number between the rewards.
group_of_rewards = st.lists(st.floats(0, 3, allow_subnormal=False), min_size=2, max_size=8)


@settings(deadline=None)
@given(group_of_rewards)
def test_a_group_is_zero_or_has_mean_zero_and_std_one(values: list[float]) -> None:
    result = advantages(rewards_of(*values), len(values))
    if len(set(values)) == 1:
        assert result.tolist() == [0.0] * len(values)
        return
    # Next to a mean of 1 a difference of 1 ulp is known to no better than itself: test the sum where it is resolved.
    if max(values) - min(values) > 1e-6:
        assert result.sum().item() == pytest.approx(0.0, abs=1e-7)
        assert result.square().mean().item() == pytest.approx(1.0, abs=1e-7)
    assert result.isfinite().all()
    assert result.max() > 0 > result.min()


@settings(deadline=None)
@given(st.lists(st.integers(0, 3), min_size=4, max_size=4), st.integers(-8, 8), st.sampled_from([0.25, 2.0, 1024.0]))
def test_shifting_or_scaling_all_rewards_changes_nothing(values: list[int], shift: int, scale: float) -> None:
    rewards = rewards_of(*values)
    torch.testing.assert_close(advantages(scale * rewards + shift, 4), advantages(rewards, 4))


def test_groups_do_not_see_each_other() -> None:
    first, second, other = (0.0, 1.0, 3.0), (2.0, 2.0, 1.0), (5.0, 0.0, 0.0)
    together = advantages(rewards_of(*first, *second), 3)
    assert together[:3].tolist() == advantages(rewards_of(*first, *other), 3)[:3].tolist()
    assert together[3:].tolist() == advantages(rewards_of(*second), 3).tolist()


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16, torch.float16])
def test_the_dtype_of_the_rewards_is_returned(dtype: torch.dtype) -> None:
    rewards = torch.tensor([0.0, 1.0, 1.0, 2.0], dtype=dtype)
    result = advantages(rewards, 4)
    assert result.dtype == dtype
    torch.testing.assert_close(result, rewards_of(-math.sqrt(2), 0, 0, math.sqrt(2)).to(dtype))
    assert rewards.tolist() == [0, 1, 1, 2]


def test_the_arithmetic_is_float64() -> None:
    # In float32 the sum of these four rounds, and with it the mean.
    rewards = torch.tensor([0.0, 2.0, 2.0, 4.0]) + 2.0**24
    torch.testing.assert_close(advantages(rewards, 4), advantages(torch.tensor([0.0, 2.0, 2.0, 4.0]), 4))


def test_live_groups_by_hand() -> None:
    #                        dead      one is enough   negative too
    values = torch.tensor([0.0, -0.0, 0.0, 1e-30, -1.0, 0.0])
    live = live_groups(values, 2)
    assert live.dtype == torch.bool
    assert live.tolist() == [False, True, True]


def test_as_groups_keeps_the_responses_of_a_group_side_by_side() -> None:
    assert as_groups(torch.arange(6.0), 3).tolist() == [[0, 1, 2], [3, 4, 5]]


def test_no_responses_are_no_groups() -> None:
    assert advantages(torch.zeros(0), 4).shape == (0,)
    assert live_groups(torch.zeros(0), 4).shape == (0,)


@pytest.mark.parametrize("group_size", [1, 0, -2])
def test_a_group_needs_two(group_size: int) -> None:
    with pytest.raises(ValueError, match=f"group_size is {group_size}: .* use at least 2"):
        advantages(torch.zeros(4), group_size)


def test_incomplete_groups_are_refused() -> None:
    with pytest.raises(ValueError, match=r"shape \(7,\) for groups of 4: .* whole groups only"):
        advantages(torch.zeros(7), 4)
    with pytest.raises(ValueError, match=r"shape \(7,\) for groups of 4"):
        live_groups(torch.zeros(7), 4)
    with pytest.raises(ValueError, match=r"shape \(4, 1\)"):
        advantages(torch.zeros(4, 1), 4)


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_rewards_are_finite(bad: float) -> None:
    with pytest.raises(ValueError, match=rf"rewards\[2\] is {bad}: .* score or drop its group"):
        advantages(torch.tensor([0.0, 1.0, bad, 0.0]), 2)


def test_rewards_are_floats() -> None:
    with pytest.raises(ValueError, match=r"torch\.int64: .* rewards\.float\(\)"):
        advantages(torch.tensor([0, 1]), 2)


def test_unknown_settings_are_refused() -> None:
    with pytest.raises(ValueError, match='std is \'biased\': use "population" or "sample"'):
        advantages(torch.zeros(2), 2, std="biased")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"eps is -0\.1: .* 0 or more"):
        advantages(torch.zeros(2), 2, eps=-0.1)
