"""Bisection that cannot fail, for the monotone equations of the chance models."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["increasing_root"]


def increasing_root(
    function: Callable[[float], float],
    low: float,
    high: float,
    *,
    geometric: bool = False,
    steps: int = 64,
) -> float:
    """Find where an increasing function changes sign, by bisection.

    Parameters
    ----------
    function
        Increasing on [low, high]; infinite values are fine.
    low, high
        The bracket. Where the function does not change sign, the nearer end comes back.
    geometric
        Halve on the scale of the logarithm (both ends positive): relative, not absolute, accuracy.
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
        middle = math.sqrt(low) * math.sqrt(high) if geometric else 0.5 * (low + high)
        if not low < middle < high:
            break
        if function(middle) < 0:
            low = middle
        else:
            high = middle
    return 0.5 * (low + high)
