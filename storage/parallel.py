"""The same work on many items: all at once, or one ahead of what its results are used for."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

A = TypeVar("A")
B = TypeVar("B")


@contextmanager
def in_threads(work: Callable[[A], B], items: Iterable[A]) -> Iterator[Iterator[B]]:
    """What `work` makes of each item, in their order. Who leaves early, interrupted, waits only for what has begun."""
    with ThreadPoolExecutor() as pool:
        try:
            yield pool.map(work, items)
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


@contextmanager
def one_ahead(work: Callable[[A], B], items: Iterable[A]) -> Iterator[Iterator[B]]:
    """What `work` makes of each item, in their order; the next is made in a thread while the caller uses this one.

    At most two are there at once. An exception of `work` comes where its item would have.
    """
    with ThreadPoolExecutor(max_workers=1) as pool:

        def results() -> Iterator[B]:
            coming: Future[B] | None = None
            for item in items:
                before, coming = coming, pool.submit(work, item)
                if before is not None:
                    yield before.result()
            if coming is not None:
                yield coming.result()

        try:
            yield results()
        finally:
            pool.shutdown(wait=False, cancel_futures=True)
