"""Dots: many values beside each other without hiding one another, the same way every time."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["spread"]

_GOLDEN = (np.sqrt(5) - 1) / 2


def spread(n: int, width: float) -> NDArray[np.float64]:
    """Return offsets within ± width / 2 that keep neighbours apart; a single dot stays put.

    Parameters
    ----------
    n
        How many dots.
    width
        Of the strip that they fill.

    Returns
    -------
    float64 (n,)

    Examples
    --------
    >>> spread(3, 1.0).round(2).tolist()
    [0.0, -0.38, 0.24]
    """
    places: NDArray[np.float64] = (np.arange(n) * _GOLDEN + 0.5) % 1
    return (places - 0.5) * width
