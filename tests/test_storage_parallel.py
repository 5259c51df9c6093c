"""Work in threads: in order, and nothing more is begun once nobody wants it."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from storage import parallel
from storage.parallel import in_threads


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
