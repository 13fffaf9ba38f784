"""A hypergeometric law on a thinned lattice of overlaps, exponentially tilted if asked.

Sums of a smooth function times the law need not visit every overlap. By Poisson's summation
formula the error of visiting every h-th is the characteristic function at 2 pi / h, at most
exp(-variance (1 - cos(2 pi / h))): with h at most a third of the standard deviation below e**-70.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from maskstat.stats.hypergeometric import log_pmf, support

__all__ = ["Lattice", "lattice", "tilted_cells", "width"]

Floats = NDArray[np.float64]


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


def lattice(N: Floats, a: Floats, b: Floats, tilt: Floats) -> Lattice:
    """Lay out the law of each row, tilted by e**(tilt x).

    Parameters
    ----------
    N, a, b
        Sizes, each of shape (rows,).
    tilt
        Shape (rows,).

    Returns
    -------
    Lattice
        Points cover all but about 1e-17 of the tilted law.
    """
    center, step, below, above = _extent(N, a, b, tilt)
    index = np.arange(-below.max(initial=0.0), above.max(initial=0.0) + 1.0)
    offset = index * step[:, None]
    x = center[:, None] + offset
    sizes = N[:, None], a[:, None], b[:, None]
    log_center = log_pmf(center, N, a, b)
    wanted = (index >= -below[:, None]) & (index <= above[:, None])
    log_weight = log_pmf(x, *sizes) - log_center[:, None]
    log_weight += np.where(wanted, tilt[:, None] * offset, -np.inf)
    weight = np.exp(log_weight)
    return Lattice(
        center=center,
        step=step,
        offset=offset,
        log_scale=log_center + np.log(step),
        weight=weight,
    )


def width(N: Floats, a: Floats, b: Floats, tilt: Floats) -> Floats:
    """Return how many points `lattice` needs for each row; similar rows make small lattices."""
    _, _, below, above = _extent(N, a, b, tilt)
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


def _extent(N: Floats, a: Floats, b: Floats, tilt: Floats) -> tuple[Floats, Floats, Floats, Floats]:
    """Return center, step, and how many points lie below and above the center."""
    low, high = support(N, a, b)
    mode, variance = tilted_cells(N, a, b, tilt)
    center = np.clip(np.rint(mode), low, high)
    sd = np.sqrt(variance)
    step = np.maximum(1.0, np.floor(sd / 3.0))
    below = np.floor(np.minimum(9.0 * sd + 6.0, center - low) / step)
    above = np.floor(np.minimum(9.5 * sd + 18.0, high - center) / step)
    return center, step, below, above
