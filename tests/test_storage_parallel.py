"""Work in threads: in order, and nothing more is begun once nobody wants it."""

import threading

import pytest

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


def test_what_has_not_begun_when_the_caller_leaves_never_begins():
    begun, go_on = [], threading.Event()

    def work(item):
        begun.append(item)
        if item:
            go_on.wait(10)

    def interrupted():
        with in_threads(work, range(10_000)) as results:
            next(results)
            threading.Timer(0.1, go_on.set).start()
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert 1 <= len(begun) < 1000
