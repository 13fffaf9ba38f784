"""Checked sizes: how many of a layer's weights each mask keeps."""

from __future__ import annotations

import operator
from typing import TYPE_CHECKING

from maskstat.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["LARGEST_SIZE", "checked_count", "checked_sizes"]

LARGEST_SIZE = 2**53
"""Counts above this are not exact in double precision."""


def checked_count(value: int, name: str, *, low: int | None = 0, high: int | None = None) -> int:
    """Return a count as a Python integer, or say what is wrong with it.

    Parameters
    ----------
    value
        Any integer, NumPy's included.
    name
        What it is called in the error.
    low, high
        The range it has to lie in, both ends included; None is no limit.

    Returns
    -------
    int
        The same number, exact at any size.

    Raises
    ------
    UsageError
        It is no whole number, or outside the range.

    Examples
    --------
    >>> checked_count(3, "kept", high=5)
    3
    """
    try:
        count = operator.index(value)
    except TypeError:
        raise UsageError(
            f"{name} is {value!r}, not a whole number",
            code="impossible-counts",
            hint="counts of weights are integers",
        ) from None
    if (low is not None and count < low) or (high is not None and count > high):
        span = f"at least {low}" if high is None else f"from {low} to {high}"
        raise UsageError(f"{name} is {count}; it has to be {span}", code="impossible-counts")
    return count


def checked_sizes(N: int, sizes: Sequence[int]) -> tuple[int, tuple[int, ...]]:
    """Return a layer's size and its masks' sizes as Python integers.

    Parameters
    ----------
    N
        Weights in the layer, from 1 to 2**53.
    sizes
        Weights kept by each mask, each from 0 to `N`; at least one mask.

    Returns
    -------
    tuple
        `N` and the sizes, order kept.

    Raises
    ------
    UsageError
        There is no mask, or a size does not fit the layer.

    Examples
    --------
    >>> checked_sizes(10, [3, 10])
    (10, (3, 10))
    """
    N = checked_count(N, "layer size", low=1, high=LARGEST_SIZE)
    kept = tuple(checked_count(n, f"size of mask {i}", high=N) for i, n in enumerate(sizes, 1))
    if not kept:
        raise UsageError("there are no masks to count", code="no-masks")
    return N, kept
