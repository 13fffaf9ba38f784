"""Equal rows of numbers found by hashing: NumPy's `unique` sorts rows many times slower."""

from __future__ import annotations

from typing import cast

import numpy as np
from numpy.typing import NDArray

__all__ = ["distinct_rows"]

Indices = NDArray[np.intp]


def distinct_rows(rows: NDArray[np.float64]) -> tuple[Indices, Indices]:
    """Return where each distinct row is first, and which of them every row is.

    Parameters
    ----------
    rows : float64 (n, columns)

    Returns
    -------
    tuple of numpy.ndarray
        Indices of the first of each, ascending; and numbers into them, (n,).

    Examples
    --------
    >>> first, number = distinct_rows(np.array([[1.0, 2.0], [3.0, 4.0], [1.0, 2.0]]))
    >>> first.tolist(), number.tolist()
    ([0, 1], [0, 1, 0])
    """
    n, columns = rows.shape
    if not columns:
        return np.arange(min(n, 1)), np.zeros(n, np.intp)
    whole = np.ascontiguousarray(rows).view(np.dtype((np.void, 8 * columns)))
    keys = cast("list[bytes]", whole.ravel().tolist())
    numbers: dict[bytes, int] = {}
    number = np.array([numbers.setdefault(key, len(numbers)) for key in keys], np.intp)
    first = np.empty(len(numbers), np.intp)
    first[number[::-1]] = np.arange(n)[::-1]
    return first, number
