"""A hypergeometric law on a thinned lattice of overlaps, exponentially tilted if asked.

Sums of a smooth function times the law need not visit every overlap. By Poisson's summation
formula the error of visiting every h-th is the characteristic function at 2 pi / h, at most
exp(-variance (1 - cos(2 pi / h))): with h at most a third of the standard deviation below e**-70.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from maskstat.stats._log_ratio import is_smooth, log_odds, smooth_log_ratios
from maskstat.stats.hypergeometric import excess, log_pmf, support

__all__ = ["Lattice", "lattice", "tilted_cells", "width"]

Floats = NDArray[np.float64]

_THINNING = 45.0  # a thinned sum may be wrong by e**-45


class Lattice(NamedTuple):
    """Points of a law and its weights there, one row for each triple of sizes.

    Parameters
    ----------
    center
        Whole number near the (tilted) mode, shape (rows,).
    step
        Distance of neighbouring points, shape (rows,).
    offset
        Points minus center, shape (rows, points).
    log_scale
        ln P(X = center) + ln(step), shape (rows,).
    weight
        P(X = center + offset) e**(tilt offset) / P(X = center), shape (rows, points).
    """

    center: Floats
    step: Floats
    offset: Floats
    log_scale: Floats
    weight: Floats


def lattice(
    N: Floats, a: Floats, b: Floats, tilt: Floats, *, bandwidth: Floats | None = None
) -> Lattice:
    """Lay out the law of each row, tilted by e**(tilt x).

    Parameters
    ----------
    N, a, b
        Sizes, each of shape (rows,).
    tilt
        Shape (rows,).
    bandwidth
        Largest frequency w, in radians, of a factor exp(i w x) that the weights will get; shape
        (rows,). Without it, points are a third of the standard deviation apart.

    Returns
    -------
    Lattice
        Points cover all but about 1e-17 of the tilted law.
    """
    center, step, below, above = _extent(N, a, b, tilt, bandwidth)
    farthest = max(below.max(initial=1.0), above.max(initial=1.0))
    index = np.arange(-below.max(initial=0.0), above.max(initial=0.0) + 1.0)
    offset = index * step[:, None]
    log_center = log_pmf(center, N, a, b)
    wanted = (index >= -below[:, None]) & (index <= above[:, None])
    log_weight = np.empty_like(offset)
    cells = np.stack([center, a - center, b - center, (N - a) - (b - center)])
    reach = farthest * step
    smooth = is_smooth(cells, reach)
    i, j = np.flatnonzero(smooth), np.flatnonzero(~smooth)
    slope = log_odds(cells[:, i], excess(center[i], N[i], a[i], b[i]), N[i]) + tilt[i]
    log_weight[i] = smooth_log_ratios(cells[:, i], slope, reach[i], index / farthest)
    x = center[j, None] + offset[j]
    log_weight[j] = log_pmf(x, N[j, None], a[j, None], b[j, None]) - log_center[j, None]
    log_weight[j] += np.where(wanted[j], tilt[j, None] * offset[j], -np.inf)
    return Lattice(
        center=center,
        step=step,
        offset=offset,
        log_scale=log_center + np.log(step),
        weight=np.where(wanted, np.exp(log_weight), 0.0),
    )


def width(
    N: Floats, a: Floats, b: Floats, tilt: Floats, *, bandwidth: Floats | None = None
) -> Floats:
    """Return how many points `lattice` needs for each row; similar rows make small lattices."""
    _, _, below, above = _extent(N, a, b, tilt, bandwidth)
    return below + above + 1


def tilted_cells(N: Floats, a: Floats, b: Floats, tilt: Floats) -> tuple[Floats, Floats]:
    """Return mode and approximate variance of the law tilted by e**(tilt x).

    Parameters
    ----------
    N, a, b, tilt
        Sizes and tilt, any shapes that broadcast.

    Returns
    -------
    tuple of numpy.ndarray
        The real x where the 2 x 2 table has odds ratio e**tilt, and the inverse of the sum of
        its inverse cells, which is also the derivative of x by the tilt.

    Notes
    -----
    x solves (a - x)(b - x) w = x (N - a - b + x) with w = e**tilt. The discriminant is written as
    a sum of squares and products that cannot cancel.
    """
    low, high = support(N, a, b)
    w = np.exp(tilt)
    rest = (N - a) - b
    root = np.hypot(w * (a - b), rest)
    root = np.hypot(root, np.sqrt(2 * w * (a * (N - a) + b * (N - b))))
    linear = rest + w * (a + b)
    with np.errstate(divide="ignore", invalid="ignore"):
        x = 2 * w * a * b / (linear + root)
    x = np.clip(np.where(np.isfinite(x), x, low), low, high)
    cells = (x, a - x, b - x, rest + x)
    inverse = sum(1.0 / np.maximum(cell, 1e-30) for cell in cells)
    return x, np.where(low == high, 0.0, 1.0 / inverse)


def _extent(
    N: Floats, a: Floats, b: Floats, tilt: Floats, bandwidth: Floats | None
) -> tuple[Floats, Floats, Floats, Floats]:
    """Return center, step, and how many points lie below and above the center."""
    low, high = support(N, a, b)
    mode, variance = tilted_cells(N, a, b, tilt)
    center = np.clip(np.rint(mode), low, high)
    sd = np.sqrt(variance)
    spacing = sd / 3.0 if bandwidth is None else _spacing(variance, bandwidth)
    step = np.maximum(1.0, np.floor(spacing))
    below = np.floor(np.minimum(9.0 * sd + 6.0, center - low) / step)
    above = np.floor(np.minimum(9.5 * sd + 18.0, high - center) / step)
    return center, step, below, above


def _spacing(variance: Floats, bandwidth: Floats) -> Floats:
    """Return the largest distance of points whose sums have no error worth the name.

    A tilted hypergeometric is a sum of independent 0-1 variables, so its characteristic function at
    angle u is at most exp(-variance (1 - cos u)).
    """
    cosine = 1.0 - _THINNING / np.maximum(0.8 * variance, 1e-9)
    spacing: Floats = 2.0 * np.pi / (np.arccos(np.maximum(cosine, -1.0)) + bandwidth)
    return np.where(cosine > -1.0, spacing, 1.0)
