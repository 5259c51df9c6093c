"""Work in threads: in order, all at once or one ahead, and nothing more is begun once nobody wants it."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from storage import parallel
from storage.parallel import in_threads, one_ahead


def test_results_come_in_the_order_of_the_items():
    waits = threading.Event()

    def work(item):
        if item == 0:
            waits.wait(10)  # the first is done last
        else:
            waits.set()
        return item * item

    with in_threads(work, range(5)) as results:
        assert list(results) == [0, 1, 4, 9, 16]


def test_what_has_not_begun_when_the_caller_leaves_never_begins(monkeypatch):
    begun, go_on = [], threading.Event()

    class Pool(ThreadPoolExecutor):
        """Lets its workers go on when it has been told to end, not by the clock."""

        def shutdown(self, wait=True, *, cancel_futures=False):
            super().shutdown(wait=False, cancel_futures=cancel_futures)
            go_on.set()
            super().shutdown(wait)

    def work(item):
        begun.append(item)
        if item:
            go_on.wait(60)

    def interrupted():
        with in_threads(work, range(1000)) as results:
            next(results)
            raise KeyboardInterrupt

    monkeypatch.setattr(parallel, "ThreadPoolExecutor", Pool)
    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert 1 <= len(begun) < 100  # one in each thread, and what the first had begun


def test_the_next_is_made_while_this_one_is_used_and_no_more():
    begun = [threading.Event() for _ in range(4)]

    def work(item):
        begun[item].set()
        return item * item

    with one_ahead(work, range(4)) as results:
        for item, result in enumerate(results):
            assert result == item * item
            assert begun[min(item + 1, 3)].wait(60)
            assert not any(event.is_set() for event in begun[item + 2 :])


def test_an_error_comes_where_its_result_would_have():
    def work(item):
        return 6 // item

    with one_ahead(work, [2, 3, 0, 1]) as results:
        assert [next(results), next(results)] == [3, 2]
        with pytest.raises(ZeroDivisionError):
            next(results)


def test_nothing_ahead_of_nothing():
    with one_ahead(str, []) as results:
        assert list(results) == []


def test_who_leaves_waits_for_the_one_that_has_begun_alone():
    begun, ended = [], []

    def work(item):
        begun.append(item)
        ended.append(item)

    def interrupted():
        with one_ahead(work, range(1000)) as results:
            next(results)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert begun == ended
    assert len(begun) <= 2
