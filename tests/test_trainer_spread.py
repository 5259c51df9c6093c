"""Groups to ranks: whole, balanced by tokens, equally many forward passes for all."""

import pytest

from trainer.spread import Member, Pass, balanced, spread


def members(*sizes):
    return [Member(i, size) for i, size in enumerate(sizes)]


def test_the_longest_goes_first_to_the_rank_with_the_fewest_tokens():
    # 9 to rank 0; 7 to rank 1; 6 to rank 1 (7 < 9): 13; 5 to rank 0: 14; 2 to rank 1: 15
    assert balanced(members(5, 7, 2, 9, 6), 2) == [
        [Member(0, 5), Member(3, 9)],
        [Member(1, 7), Member(2, 2), Member(4, 6)],
    ]


def test_equal_groups_are_dealt_in_their_order():
    assert balanced(members(4, 4, 4, 4, 4), 2) == [
        [Member(0, 4), Member(2, 4), Member(4, 4)],
        [Member(1, 4), Member(3, 4)],
    ]


def test_one_rank_goes_through_the_batch_in_order():
    assert spread(members(5, 7, 2, 9), 1, 12) == [[Pass([0, 1], 0.5), Pass([2, 3], 0.5)]]


def test_a_rank_with_fewer_passes_repeats_the_smallest_group_at_share_0():
    # rank 0: the 9 alone; rank 1: 4, 3 and 2 in passes of at most 5 tokens: 4, 3 + 2
    assert spread(members(9, 4, 3, 2), 2, 5) == [
        [Pass([0], 0.25), Pass([3], 0.0)],
        [Pass([1], 0.25), Pass([2, 3], 0.5)],
    ]


def test_a_rank_without_a_group_repeats_too():
    assert spread(members(9), 3, 5) == [[Pass([0], 1.0)], [Pass([0], 0.0)], [Pass([0], 0.0)]]


@pytest.mark.parametrize("num_ranks", [1, 2, 3, 5])
@pytest.mark.parametrize("max_tokens", [1, 40, 10**6])
def test_every_group_counts_once_and_the_shares_are_the_batch(num_ranks, max_tokens):
    batch = members(31, 7, 19, 3, 12, 5, 28)
    ranks = spread(batch, num_ranks, max_tokens)
    counted = [i for passes in ranks for some in passes if some.share for i in some.positions]
    assert sorted(counted) == list(range(7))
    assert sum(some.share for passes in ranks for some in passes) == pytest.approx(1.0)
    assert len({len(passes) for passes in ranks}) == 1
