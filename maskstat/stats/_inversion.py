"""The sum of independent hypergeometrics, by inversion of its generating function."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from maskstat.stats._lattice import lattice, tilted_cells
from maskstat.stats.hypergeometric import moments, support

__all__ = ["log_pmf_and_above"]

Floats = NDArray[np.float64]

_ROWS_AT_ONCE = 512  # pairs times layers
_LARGEST_TILT = 80.0  # reaches the edge of any support up to 2**53
_NEGLIGIBLE = 37.0


def log_pmf_and_above(x: Floats, N: Floats, a: Floats, b: Floats) -> tuple[Floats, Floats]:
    """Return ln P(X = x) and ln P(X > x) of the total X over layers.

    Parameters
    ----------
    x
        Totals within the support and not below the mean, shape (pairs,).
    N, a, b
        Sizes, shape (pairs, layers).

    Returns
    -------
    tuple of numpy.ndarray
        float64, shape (pairs,).
    """
    at_x = np.empty_like(x)
    above = np.empty_like(x)
    step = max(1, _ROWS_AT_ONCE // max(N.shape[-1], 1))
    for start in range(0, x.size, step):
        part = slice(start, start + step)
        at_x[part], above[part] = _invert(x[part], N[part], a[part], b[part])
    return at_x, above


def _invert(x: Floats, N: Floats, a: Floats, b: Floats) -> tuple[Floats, Floats]:
    """Sum the tilted generating function over the nodes of one circle for each pair.

    With tilt t and M nodes s = t + 2 pi i j / M, P(X = x) is the mean of E[e**(s (X - x))], and
    P(X > x) the mean of E[e**(s (X - x))] / (e**s - 1), but for terms that come around the circle.
    """
    tilt = _saddle(x, N, a, b)
    _, variance = tilted_cells(N, a, b, tilt[:, None])
    variance = variance.sum(axis=-1)
    # A circle has room for 12 standard deviations and for Poisson tails.
    nodes = 2 * np.ceil(6 * np.sqrt(variance) + 20) + 1
    arc = 2 * math.pi / nodes
    law = lattice(N.ravel(), a.ravel(), b.ravel(), np.repeat(tilt, N.shape[-1]))
    center = law.center.reshape(N.shape).sum(axis=-1)
    log_scale = law.log_scale.reshape(N.shape).sum(axis=-1) + tilt * (center - x)
    turn = np.exp(1j * (np.repeat(arc, N.shape[-1])[:, None] * law.offset))
    power = law.weight.astype(np.complex128)
    at_x = np.zeros_like(x)
    above = np.zeros_like(x)
    for j in range(_nodes_needed(variance, nodes)):
        angle = arc * j
        value = power.sum(axis=-1).reshape(N.shape).prod(axis=-1)
        value *= np.exp(1j * (angle * (center - x)))
        # Nodes come in conjugate pairs; a smaller circle of the same batch may end earlier.
        value *= np.where(2 * j < nodes, 1.0 if j == 0 else 2.0, 0.0)
        at_x += value.real
        above += (value / np.expm1(tilt + 1j * angle)).real
        power *= turn
    return _to_logs(at_x / nodes, above / nodes, log_scale, tilt * nodes)


def _to_logs(
    at_x: Floats, above: Floats, log_scale: Floats, wrap: Floats
) -> tuple[Floats, Floats]:
    """Put the scale back and take away what came around: P(X <= x) e**-wrap / (1 - e**-wrap)."""
    with np.errstate(divide="ignore", invalid="ignore"):
        log_at_x = log_scale + np.log(at_x)
        log_above = log_scale + np.log(above)
        around = wrap < 45.0  # else below the last place
        log_above[around] = np.log(np.exp(log_above[around]) - 1.0 / np.expm1(wrap[around]))
    log_above = np.where(np.isnan(log_above), -np.inf, log_above)
    return np.minimum(log_at_x, 0.0), np.minimum(log_above, 0.0)


def _nodes_needed(variance: Floats, nodes: Floats) -> int:
    """Count the nodes of the half circle on which the generating function is not negligible.

    A hypergeometric is a sum of independent 0-1 variables, so its characteristic function at
    angle u is at most exp(-variance (1 - cos u)).
    """
    cosine = 1 - _NEGLIGIBLE / np.maximum(0.8 * variance, 1e-9)
    angle = np.arccos(np.maximum(cosine, -1.0))
    return int(np.minimum(np.ceil(angle * nodes / (2 * math.pi)) + 1, (nodes + 1) / 2).max())


def _saddle(x: Floats, N: Floats, a: Floats, b: Floats) -> Floats:
    """Return the tilt whose mean is about x, but at least about 1/sd: there is a pole at 0."""
    _, variance, _ = moments(N, a, b)
    sd = np.sqrt(variance.sum(axis=-1))
    _, high = support(N, a, b)
    target = np.minimum(x, high.sum(axis=-1) - 0.3)
    low = 1.0 / np.maximum(sd, 1.0)
    top = np.full_like(x, _LARGEST_TILT)
    tilt = low.copy()
    for _ in range(100):
        mode, spread = tilted_cells(N, a, b, tilt[:, None])
        short = target - mode.sum(axis=-1)
        spread = np.maximum(spread.sum(axis=-1), 1e-3)
        low = np.where(short > 0, tilt, low)
        top = np.where(short > 0, top, tilt)
        if np.all((np.abs(short) <= 0.05 * np.sqrt(spread) + 0.01) | (top - low < 1e-6 * top)):
            break
        newton = tilt + short / spread
        tilt = np.where((newton > low) & (newton < top), newton, 0.5 * (low + top))
    return tilt
