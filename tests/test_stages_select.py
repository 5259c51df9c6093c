from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.config import SelectConfig
from stages.select import select
from storage.errors import UserError


def rounds(num_samples, size, num_rounds, seed=0):
    ids = [f"s{i}" for i in range(num_samples)]
    config = SelectConfig(samples_per_round=size)
    return [select(ids, config, run_id="r", seed=seed, round_index=i) for i in range(num_rounds)]


@given(st.integers(1, 30), st.integers(1, 30), st.integers(0, 5))
def test_no_sample_twice_in_a_round_and_every_one_once_an_epoch(num_samples, size, seed):
    size = min(size, num_samples)
    found = rounds(num_samples, size, 12, seed)
    for rows in found:
        assert len({row.sample_id for row in rows}) == size
        assert [row.position for row in rows] == list(range(size))
    seen = Counter((row.epoch, row.sample_id) for rows in found for row in rows)
    assert max(seen.values()) == 1
    last = max(row.epoch for row in found[-1])
    for epoch in range(last - 1):  # finished: an epoch's last samples may wait one round into the next
        assert sum(1 for e, _ in seen if e == epoch) == num_samples


def test_order_depends_on_the_seed_and_not_on_the_data_sets_order():
    ids = [f"s{i}" for i in range(20)]
    config = SelectConfig(samples_per_round=5)
    first = select(ids, config, run_id="r", seed=1, round_index=2)
    assert first == select(ids[::-1], config, run_id="r", seed=1, round_index=2)
    assert first != select(ids, config, run_id="r", seed=2, round_index=2)


def test_a_round_larger_than_the_data_is_refused():
    with pytest.raises(UserError, match="samples_per_round is 9, but the training split has 8"):
        rounds(8, 9, 1)
