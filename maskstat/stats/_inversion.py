"""The sum of independent hypergeometrics, by inversion of its generating function."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from maskstat.stats._distinct import distinct_rows
from maskstat.stats._tilted import lattice, tilted_cells, width
from maskstat.stats.hypergeometric import moments

__all__ = ["log_pmf_and_above"]

Floats = NDArray[np.float64]

_ROWS_AT_ONCE = 4096  # pairs times layers
_LATTICES_AT_ONCE = 512
_LARGEST_TILT = 80.0  # reaches the edge of any support up to 2**53
_NEGLIGIBLE = 37.0
_SHARED_SD = 1.5


def log_pmf_and_above(x: Floats, N: Floats, a: Floats, b: Floats) -> tuple[Floats, Floats]:
    """Return ln P(X = x) and ln P(X > x) of the total X over layers.

    Parameters
    ----------
    x
        Totals within the support, above its lowest, not below the mean; shape (pairs,).
    N, a, b
        Sizes, shape (pairs, layers).

    Returns
    -------
    tuple of numpy.ndarray
        float64, shape (pairs,).
    """
    # The complements of both masks overlap less by a + b - N: every support starts at 0.
    crowded = a > N - b
    x = x - np.where(crowded, a - (N - b), 0.0).sum(axis=-1)
    a, b = np.where(crowded, N - a, a), np.where(crowded, N - b, b)
    at_x = np.empty_like(x)
    above = np.empty_like(x)
    # Pairs of the same sizes share generating functions.
    _, number = distinct_rows(np.concatenate([N, a, b], axis=1))
    order = np.argsort(number, kind="stable")
    step = max(1, _ROWS_AT_ONCE // max(N.shape[-1], 1))
    for start in range(0, x.size, step):
        part = order[start : start + step]
        at_x[part], above[part] = _invert(x[part], N[part], a[part], b[part])
    return at_x, above


def _invert(x: Floats, N: Floats, a: Floats, b: Floats) -> tuple[Floats, Floats]:
    """Sum the tilted generating function over the nodes of one circle for each pair; a + b <= N.

    With tilt t and M nodes s = t + 2 pi i j / M, P(X = x) is the mean of E[e**(s (X - x))], and
    P(X > x) the mean of E[e**(s (X - x))] / (e**s - 1), but for terms that come around the circle.
    """
    saddle = _saddle(x, N, a, b)
    first, row = _circles(saddle, N, a, b)
    tilt, N, a, b = saddle[first], N[first], a[first], b[first]
    variance = _variance(N, a, b, tilt)
    # A circle has room for 12 standard deviations and for Poisson tails.
    nodes = 2 * np.ceil(6 * np.sqrt(variance) + 20) + 1
    arc = 2 * math.pi / nodes
    needed = _nodes_needed(variance, nodes)
    center, log_scale, layers = _generating_functions(N, a, b, tilt, arc, needed)
    node = np.arange(layers.shape[-1])
    angle = arc[:, None] * node
    # Nodes come in conjugate pairs. Past the needed ones a thinned lattice repeats itself.
    generating = layers.prod(axis=1)
    generating *= np.where(node < needed[:, None], np.where(node == 0, 1.0, 2.0), 0.0)
    step = np.expm1(tilt[:, None] + 1j * angle)
    off = center[row] - x
    value = generating[row] * np.exp(1j * (angle[row] * off[:, None]))
    at_x = value.real.sum(axis=-1)
    above = (value / step[row]).real.sum(axis=-1)
    log_scale = log_scale[row] + tilt[row] * off
    return _to_logs(at_x / nodes[row], above / nodes[row], log_scale, (tilt * nodes)[row])


def _circles(
    tilt: Floats, N: Floats, a: Floats, b: Floats
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Put pairs of the same sizes and of almost the same tilt on one circle.

    Any tilt is as right as any other: one that is off by 1.5/sd costs half a decimal of precision.

    Returns
    -------
    tuple of numpy.ndarray
        The pair with the smallest tilt on each circle, and the circle of each pair.
    """
    groups, group = distinct_rows(np.concatenate([N, a, b], axis=1))
    largest, smallest = np.ones(groups.size), np.full(groups.size, _LARGEST_TILT)
    np.maximum.at(largest, group, _variance(N, a, b, tilt))
    np.minimum.at(smallest, group, tilt)
    apart = (tilt - smallest[group]) * np.sqrt(largest[group])
    order = np.lexsort((tilt, group))
    key = np.stack([group, np.floor(apart / _SHARED_SD)])[:, order]
    starts = np.append(True, (np.diff(key, axis=1) != 0).any(axis=0))
    row = np.empty(tilt.size, np.intp)
    row[order] = np.cumsum(starts) - 1
    return order[starts], row


def _variance(N: Floats, a: Floats, b: Floats, tilt: Floats) -> Floats:
    """Return about the variance of the tilted total."""
    variance: Floats = tilted_cells(N, a, b, tilt[:, None])[1].sum(axis=-1)
    return variance


def _generating_functions(
    N: Floats, a: Floats, b: Floats, tilt: Floats, arc: Floats, needed: Floats
) -> tuple[Floats, Floats, NDArray[np.complex128]]:
    """Return the centers' and scales' sums over layers, and E[e**(s (X - center))] / scale.

    The last has shape (pairs, layers, nodes). Layers of similar width share a lattice.
    """
    shape = N.shape
    N, a, b = (v.ravel() for v in (N, a, b))
    tilt, arc, needed = (np.repeat(v, shape[-1]) for v in (tilt, arc, needed))
    value = np.ones((tilt.size, int(needed.max())), dtype=np.complex128)
    center, log_scale = np.empty_like(tilt), np.empty_like(tilt)
    bandwidth = arc * needed
    order = np.argsort(width(N, a, b, tilt, bandwidth=bandwidth))
    for start in range(0, order.size, _LATTICES_AT_ONCE):
        i = order[start : start + _LATTICES_AT_ONCE]
        law = lattice(N[i], a[i], b[i], tilt[i], bandwidth=bandwidth[i])
        center[i], log_scale[i] = law.center, law.log_scale
        turn = np.exp(1j * (arc[i, None] * law.offset))
        power = law.weight.astype(np.complex128)
        for j in range(int(needed[i].max())):
            value[i, j] = power.sum(axis=-1)
            power *= turn
    # Hundreds of layers, each with a value of a few at the first node, would overflow.
    first = value[:, 0].real.copy()
    value /= first[:, None]
    log_scale += np.log(first)
    centers, log_scales = (v.reshape(shape).sum(axis=-1) for v in (center, log_scale))
    return centers, log_scales, value.reshape(*shape, -1)


def _to_logs(at_x: Floats, above: Floats, log_scale: Floats, wrap: Floats) -> tuple[Floats, Floats]:
    """Put the scale back and take away what came around: P(X <= x) e**-wrap / (1 - e**-wrap)."""
    with np.errstate(divide="ignore", invalid="ignore"):
        log_at_x = log_scale + np.log(at_x)
        log_above = log_scale + np.log(above)
        around = wrap < 45.0  # else below the last place
        log_above[around] = np.log(np.exp(log_above[around]) - 1.0 / np.expm1(wrap[around]))
    log_above = np.where(np.isnan(log_above), -np.inf, log_above)
    return np.minimum(log_at_x, 0.0), np.minimum(log_above, 0.0)


def _nodes_needed(variance: Floats, nodes: Floats) -> Floats:
    """Count the nodes of the half circle on which the generating function is not negligible.

    A hypergeometric is a sum of independent 0-1 variables, so its characteristic function at
    angle u is at most exp(-variance (1 - cos u)).
    """
    cosine = 1 - _NEGLIGIBLE / np.maximum(0.8 * variance, 1e-9)
    angle = np.arccos(np.maximum(cosine, -1.0))
    needed: Floats = np.minimum(np.ceil(angle * nodes / (2 * math.pi)) + 1, (nodes + 1) / 2)
    return needed


def _saddle(x: Floats, N: Floats, a: Floats, b: Floats) -> Floats:
    """Return the tilt that moves the mean to about x, at least about 1/sd: there is a pole at 0.

    Newton's method in a bracket, on the logit of the mean within the support: of one layer that is
    nearly linear in the tilt, and layers that fill up at different tilts make it a staircase.
    """
    variance = moments(N, a, b)[1].sum(axis=-1)
    highest = np.minimum(a, b).sum(axis=-1)
    target = np.minimum(x, highest - np.maximum(0.3, np.spacing(highest)))
    goal = np.log(target / (highest - target))
    low = 1.0 / np.maximum(np.sqrt(variance), 1.0)
    top = np.full_like(low, _LARGEST_TILT)
    tilt: Floats = low.copy()
    left = np.arange(x.size)
    for step in range(1, 200):
        i = left
        mean, slope = (v.sum(axis=-1) for v in tilted_cells(N[i], a[i], b[i], tilt[i, None]))
        short = target[i] - mean
        low[i] = np.where(short > 0, tilt[i], low[i])
        top[i] = np.where(short > 0, top[i], tilt[i])
        close = (np.abs(short) <= 0.05 * np.sqrt(slope) + 0.25) | (top[i] - low[i] < 1e-9)
        left, mean, slope = (v[~close] for v in (i, mean, slope))
        if not left.size:
            break
        i = left
        beyond = np.maximum(highest[i] - mean, np.spacing(highest[i]))
        per_tilt = highest[i] * np.maximum(slope, 1e-300) / (mean * beyond)
        moved = tilt[i] + (goal[i] - np.log(mean / beyond)) / per_tilt
        inside = (moved > low[i]) & (moved < top[i]) & (step % 6 != 0)
        tilt[i] = np.where(inside, moved, 0.5 * (low[i] + top[i]))
    return tilt
