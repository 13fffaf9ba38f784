"""How a hypergeometric probability changes over a smooth stretch: power series, many at a time.

Where all four cells of the 2 x 2 table are large beside the stretch, ln P(x + h) - ln P(x) is a
polynomial in h to the last place. On nodes at the same shares of every row's stretch, evaluating
it is one product of matrices.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

__all__ = ["SIGNS", "is_smooth", "log_odds", "smooth_log_ratios"]

Floats = NDArray[np.float64]

SIGNS = np.array([[1.0], [-1.0], [-1.0], [1.0]])
"""How the cells (both, only A, only B, neither) change with the overlap."""

_LARGEST_SHARE = 0.2
_SMALLEST_CELL = 500.0
_LOG_ROUNDING = 37.0


def is_smooth(cells: Floats, reach: Floats) -> NDArray[np.bool_]:
    """Say where `smooth_log_ratios` may be used.

    Parameters
    ----------
    cells : float64 (4, rows)
        Of the tables in the middle of the stretches.
    reach : float64 (rows,)
        How far the stretches go.

    Returns
    -------
    bool (rows,)
    """
    smallest = cells.min(axis=0)
    return np.asarray((smallest >= _SMALLEST_CELL) & (reach <= _LARGEST_SHARE * smallest))


def log_odds(cells: Floats, excess: Floats, N: Floats) -> Floats:
    """Return ln(only A * only B / (both * neither)) from the exact excess of the overlap.

    Parameters
    ----------
    cells : float64 (4, rows)
        None of them 0.
    excess : float64 (rows,)
        x - a b / N.
    N : float64 (rows,)

    Returns
    -------
    float64 (rows,)
    """
    both, only_a, only_b, neither = cells
    apart = excess * N  # both * neither - only_a * only_b
    with np.errstate(divide="ignore", invalid="ignore"):
        above, below = -np.log1p(apart / (only_a * only_b)), np.log1p(-apart / (both * neither))
    return np.asarray(np.where(apart > 0, above, below))


def smooth_log_ratios(cells: Floats, slope: Floats, reach: Floats, y: Floats) -> Floats:
    """Return ln P(x + h) - ln P(x) + tilt h at h = reach y.

    Parameters
    ----------
    cells : float64 (4, rows)
        Of the tables at x, which stay positive.
    slope : float64 (rows,)
        `log_odds`, plus a tilt.
    reach : float64 (rows,)
        Where `is_smooth` says so.
    y : float64 (points,)
        From -1 to 1.

    Returns
    -------
    float64 (rows, points)

    Notes
    -----
    Minus the sum over the cells c of ln (c + s h)! - ln c!, by Stirling's series expanded in
    u = s h / c: c ((1 + u) ln(1 + u) - u) + ln(1 + u)/2 + (1/(1 + u) - 1)/(12 c)
    - ((1 + u)^-3 - 1)/(360 c^3).
    """
    smallest = cells.min(axis=0)
    decay = -np.log(reach / smallest)
    degree = math.ceil(float(((_LOG_ROUNDING + np.log(smallest)) / decay).max(initial=3.0)))
    j = np.arange(1.0, degree + 1.0)
    ratios = -SIGNS * reach / cells
    powers = np.cumprod(np.broadcast_to(ratios[..., None], (*ratios.shape, degree)), axis=2)
    inverse = 1.0 / cells
    by_c, by_inverse, by_cube = (
        np.einsum("crj,cr->rj", powers, part) for part in (cells, inverse, inverse**3)
    )
    by_1 = powers.sum(axis=0)
    with np.errstate(divide="ignore"):
        of_c = np.where(j > 1, 1.0 / (j * (j - 1.0)), 0.0)
    series = by_1 * (0.5 / j) - by_c * of_c
    series += by_cube * ((j + 1.0) * (j + 2.0) / 720.0) - by_inverse / 12.0
    series[:, 0] += slope * reach
    return np.asarray(series @ (y ** j[:, None]))
