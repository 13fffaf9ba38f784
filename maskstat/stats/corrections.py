"""Many comparisons: p-values adjusted for the size of their family, in log10."""

from __future__ import annotations

import math
from typing import Literal, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from maskstat.errors import UsageError

__all__ = ["Correction", "adjust", "family_size"]

Floats = NDArray[np.float64]
Correction = Literal["bh", "holm", "by", "none"]


def adjust(log10_p: ArrayLike, *, method: Correction = "bh") -> Floats:
    """Adjust log10 p for the size of its family.

    Parameters
    ----------
    log10_p
        Any shape; NaN is not a test (untestable) and stays NaN.
    method
        ``bh`` (Benjamini and Hochberg 1995) bounds the false discovery rate of independent or
        positively dependent tests, ``by`` (Benjamini and Yekutieli 2001) of any; ``holm``
        (Holm 1979) bounds the chance of one false positive; ``none``.

    Returns
    -------
    numpy.ndarray
        float64 of the same shape, at most 0.

    Raises
    ------
    UsageError
        If there is no such method.

    Examples
    --------
    >>> adjust([-3.0, -1.0, float("nan")]).round(4).tolist()
    [-2.699, -1.0, nan]
    """
    if method not in get_args(Correction):
        raise UsageError(
            f"there is no correction {method!r}",
            code="unknown-correction",
            consequence=f"there are: {', '.join(get_args(Correction))}",
        )
    given = np.asarray(log10_p, dtype=np.float64)
    tested = ~np.isnan(given)
    result = given.copy()
    m = int(tested.sum())
    if method == "none" or m == 0:
        return result
    values = given[tested]
    order = np.argsort(values, kind="stable")
    rank = np.arange(1, m + 1)
    if method == "holm":
        adjusted = np.maximum.accumulate(values[order] + np.log10(m - rank + 1))
    else:
        harmonic = math.log10(float((1.0 / rank).sum())) if method == "by" else 0.0
        scaled = values[order] + np.log10(m / rank) + harmonic
        adjusted = np.minimum.accumulate(scaled[::-1])[::-1]
    unsorted = np.empty(m)
    unsorted[order] = np.minimum(adjusted, 0.0)
    result[tested] = unsorted
    return result


def family_size(log10_p: ArrayLike) -> int:
    """Count the tests of a family; NaN is none.

    Parameters
    ----------
    log10_p
        Any shape.

    Returns
    -------
    int
        How many p-values `adjust` corrects for.

    Examples
    --------
    >>> family_size([-3.0, float("nan")])
    1
    """
    return int((~np.isnan(np.asarray(log10_p, dtype=np.float64))).sum())
