"""Threads: how many are worth it, and the same work on several ranges."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import TypeVar

__all__ = ["at_once", "n_threads"]

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")

_MOST = 4  # memory has no more to give, and hashing, one after another, is left behind by four
_LEAST_BYTES = 1 << 25  # below, starting threads takes longer than counting


def n_threads(n_bytes: int, *, asked: int | None = None, least: int = _LEAST_BYTES) -> int:
    """Return how many threads are worth it for so many bytes.

    Parameters
    ----------
    n_bytes
        Size of the input.
    asked
        What the user wants; by default the processor cores allowed to this process, at most four.
    least
        Bytes below which one thread is faster; by default where they are counted in memory.

    Returns
    -------
    int
        1 below `least`, whatever was asked.

    Examples
    --------
    >>> n_threads(1 << 20, asked=8), n_threads(1 << 30, asked=3)
    (1, 3)
    """
    if n_bytes < least:
        return 1
    if asked is not None:
        return max(1, asked)
    allowed = getattr(os, "sched_getaffinity", None)
    return min(_MOST, len(allowed(0)) if allowed else os.cpu_count() or 1)


def at_once(work: Callable[[_Item], _Result], items: Sequence[_Item]) -> list[_Result]:
    """Do the work on every item, each in a thread of its own if there are several.

    Parameters
    ----------
    work
        Safe to be called from several threads.
    items
        One a thread.

    Returns
    -------
    list
        The results, in the order of the items.

    Examples
    --------
    >>> at_once(len, ["a", "bc"])
    [1, 2]
    """
    if len(items) < 2:
        return [work(item) for item in items]
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(len(items)) as pool:
        return list(pool.map(work, items))
