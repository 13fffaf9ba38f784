"""Do the work on several items at once, and hand over the results in order."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from concurrent.futures import Future

__all__ = ["LEAST_BYTES", "in_order"]

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")

LEAST_BYTES = 1 << 23
"""Bytes from which threads are worth it where zlib, which lets others run beside it, codes them."""


def in_order(
    work: Callable[[_Item], _Result], items: Iterable[_Item], *, threads: int
) -> Iterator[tuple[_Item, _Result]]:
    """Yield each item with what was made of it, in the order of the items.

    Parameters
    ----------
    work
        Safe to be called from several threads.
    items
        Taken one after another in the caller's thread, not more than `threads` + 1 ahead.
    threads
        With 1 there are none beside the caller's.

    Examples
    --------
    >>> list(in_order(len, ["a", "bc"], threads=2))
    [('a', 1), ('bc', 2)]
    """
    if threads < 2:
        for item in items:
            yield item, work(item)
        return
    from concurrent.futures import ThreadPoolExecutor

    waiting: deque[tuple[_Item, Future[_Result]]] = deque()
    with ThreadPoolExecutor(threads) as pool:
        try:
            for item in items:
                waiting.append((item, pool.submit(work, item)))
                if len(waiting) > threads:
                    first, result = waiting.popleft()
                    yield first, result.result()
            while waiting:
                first, result = waiting.popleft()
                yield first, result.result()
        finally:
            pool.shutdown(cancel_futures=True)
