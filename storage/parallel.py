"""The same work on many items at once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
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
