"""Roots that cannot fail to be found, for the monotone equations of the chance models."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["increasing_root", "increasing_roots"]

Floats: TypeAlias = NDArray[np.float64]


def increasing_root(
    function: Callable[[float], float],
    low: float,
    high: float,
    *,
    steps: int = 64,
) -> float:
    """Find where an increasing function changes sign, by bisection.

    Parameters
    ----------
    function
        Increasing on [low, high]; infinite values are fine.
    low, high
        The bracket. Where the function does not change sign, the nearer end comes back.
    steps
        Halvings.

    Returns
    -------
    float
        The root.

    Examples
    --------
    >>> round(increasing_root(lambda v: v * v - 2, 0.0, 2.0), 12)
    1.414213562373
    """
    for _ in range(steps):
        middle = 0.5 * (low + high)
        if not low < middle < high:
            break
        if function(middle) < 0:
            low = middle
        else:
            high = middle
    return 0.5 * (low + high)


def increasing_roots(
    function: Callable[[Floats], tuple[Floats, Floats]],
    start: Floats,
    low: Floats | float,
    high: Floats | float,
    *,
    tolerance: float = 1e-9,
    steps: int = 50,
) -> Floats:
    """Find where increasing functions change sign, by Newton's method in a bracket.

    Parameters
    ----------
    function
        Gives the values and the slopes of all functions, each at its own argument.
    start : float64 (n,)
        Where to begin.
    low, high
        The brackets; broadcast with `start`.
    tolerance
        The last step is shorter than this share of the way to the nearer end of the bracket; what
        it leaves is the square of that.
    steps
        Most evaluations.

    Returns
    -------
    float64 (n,)
        The roots.

    Examples
    --------
    >>> square = np.array([2.0, 9.0])
    >>> roots = increasing_roots(lambda v: (v * v - square, 2 * v), np.ones(2), 0, 9)
    >>> roots.round(12).tolist()
    [1.414213562373, 3.0]
    """
    v, lowest, highest = start, low, high
    for _ in range(steps):
        value, slope = function(v)
        short = value < 0
        low, high = np.where(short, v, low), np.where(short, high, v)
        with np.errstate(divide="ignore", invalid="ignore"):
            moved = v - value / slope
        inside = ((moved > low) & (moved < high)) | (moved == v)
        last, v = v, np.where(inside, moved, 0.5 * (low + high))
        if np.all(np.abs(v - last) <= tolerance * np.minimum(v - lowest, highest - v)):
            break
    return v
