"""Tell a total overlap of two networks from chance, layer sizes being what they are.

Under the layer-stratified null the overlaps of the layers are independent hypergeometrics. The law
of their sum is inverted exactly from its generating function: along a circle through the saddle
point the integrand is smooth and periodic, so that a few dozen nodes give every digit, at any size.

Arrays of sizes have the layers on their last axis: N, a, b of shape (..., layers).
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

from maskstat.errors import UsageError
from maskstat.stats._distinct import distinct_rows
from maskstat.stats._inversion import log_pmf_and_above
from maskstat.stats._quantile import first_above, log_levels, lower_quantile
from maskstat.stats._stirling import log1mexp
from maskstat.stats.hypergeometric import log_pmf, log_tails, moments, support
from maskstat.stats.pairtest import (
    LN10,
    Alternative,
    check_alternative,
    check_overlap,
    choose_tail,
)

__all__ = [
    "exact_size_total",
    "interval_total",
    "log_tails_total",
    "min_detectable_lift_total",
    "moments_total",
    "p_values_total",
    "untestable_total",
]

Floats = NDArray[np.float64]
Counts = NDArray[np.int64]


def moments_total(N: ArrayLike, a: ArrayLike, b: ArrayLike) -> tuple[Floats, Floats, Floats]:
    """Return mean, variance and third cumulant of the total overlap.

    Parameters
    ----------
    N, a, b
        Weights in each layer and weights that the two masks keep, shape (..., layers).

    Returns
    -------
    tuple of numpy.ndarray
        float64 of the shape without its last axis.

    Raises
    ------
    UsageError
        If not 0 <= a, b <= N <= 2**53.

    Examples
    --------
    >>> [round(float(m), 6) for m in moments_total([10, 100], [5, 10], [5, 10])]
    [3.5, 1.512626, 0.534323]
    """
    mean, variance, third = moments(N, a, b)
    return mean.sum(axis=-1), variance.sum(axis=-1), third.sum(axis=-1)


def log_tails_total(
    x: ArrayLike, N: ArrayLike, a: ArrayLike, b: ArrayLike
) -> tuple[Floats, Floats]:
    """Return ln P(X <= x) and ln P(X >= x) of the total overlap X; both include x.

    Parameters
    ----------
    x
        Total overlap: whole numbers, shape (...).
    N, a, b
        Weights in each layer and weights that the two masks keep, shape (..., layers).

    Returns
    -------
    tuple of numpy.ndarray
        float64 of shape (...). The probabilities have a relative error of about 1e-12, or their
        logarithms one of 1e-14 where that is more.

    Raises
    ------
    UsageError
        If not 0 <= a, b <= N <= 2**53.

    Notes
    -----
    The tail is a sum over M nodes s of the tilted generating function: with q = e**(-tilt M),
    (1 - q)/M sum_s E[e**(s (X - x))] / (e**s - 1) is P(X > x) but for q P(X <= x), which is
    removed. The generating function of each layer is summed on a thinned lattice.

    Examples
    --------
    >>> below, above = log_tails_total(3, [4, 4], [2, 2], [2, 2])
    >>> float(np.exp(above).round(6))
    0.25
    """
    at_most, at_least, _ = _total(x, N, a, b)
    return at_most, at_least


def p_values_total(
    x: ArrayLike,
    N: ArrayLike,
    a: ArrayLike,
    b: ArrayLike,
    *,
    alternative: Alternative = "two-sided",
    mid_p: bool = False,
) -> Floats:
    """Return log10 p of the total overlap under the layer-stratified null.

    Parameters
    ----------
    x
        Observed total overlap, shape (...).
    N, a, b
        Weights in each layer and weights that the two masks keep, shape (..., layers).
    alternative
        ``two-sided`` (the smaller tail doubled), ``greater`` or ``less``.
    mid_p
        Count the observed overlap half in each tail.

    Returns
    -------
    numpy.ndarray
        float64 of shape (...), at most 0, always finite.

    Raises
    ------
    UsageError
        If an overlap is impossible, or the alternative is ``fisher``, which is defined for single
        layers only, or unknown.

    Examples
    --------
    >>> float(p_values_total(300, [2400, 1000], [480, 300], [480, 500]).round(3))
    -6.128
    """
    check_alternative(alternative, mid_p=mid_p)
    if alternative == "fisher":
        raise UsageError(
            "the fisher alternative is not defined for totals over layers",
            code="no-fisher-total",
            hint="two-sided, greater or less",
        )
    low, high = (v.sum(axis=-1) for v in support(N, a, b))
    xs = np.asarray(x, dtype=np.float64)
    check_overlap(*np.broadcast_arrays(xs, low, high))
    at_most, at_least, at_x = _total(xs, N, a, b)
    log_p = choose_tail(at_most, at_least, at_x if mid_p else None, alternative)
    return np.asarray(np.minimum(log_p, 0.0) / LN10)


def interval_total(
    N: ArrayLike, a: ArrayLike, b: ArrayLike, *, alpha: ArrayLike = 0.05
) -> tuple[Counts, Counts]:
    """Return the central acceptance region of the total overlap, ends included.

    Parameters
    ----------
    N, a, b
        Weights in each layer and weights that the two masks keep, shape (..., layers).
    alpha
        Level: 0.05 for the 95 % region; several at once are cheaper, and broadcast with (...).

    Returns
    -------
    tuple of numpy.ndarray
        int64 of shape (...): the overlaps whose two-sided p exceeds alpha.

    Raises
    ------
    UsageError
        If alpha is not between 0 and 1, or sizes are impossible.

    Examples
    --------
    >>> low, high = interval_total([2400, 1000], [480, 300], [480, 500])
    >>> int(low), int(high)
    (225, 267)
    """
    level = log_levels(alpha)[..., None] - math.log(2.0)
    *sizes, levels = np.broadcast_arrays(*(np.asarray(v, np.float64) for v in (N, a, b)), level)
    shape, rows = _rows(*sizes)
    both = np.concatenate([rows, rows])
    both[len(rows) :, :, 2] = rows[..., 0] - rows[..., 2]  # a - X, for the upper end
    keyed = np.concatenate([both, np.tile(levels.reshape(*rows.shape[:2], 1), (2, 1, 1))], axis=-1)
    first, inverse = distinct_rows(keyed.reshape(len(keyed), math.prod(keyed.shape[1:])))
    Ns, as_, bs, ls = np.moveaxis(keyed[first], -1, 0)
    lowest = _lowest_total(Ns, as_, bs, ls[:, 0])[inverse]
    low, high = lowest[: len(rows)], rows[..., 1].sum(axis=-1) - lowest[len(rows) :]
    return low.astype(np.int64).reshape(shape), high.astype(np.int64).reshape(shape)


def exact_size_total(
    N: ArrayLike, a: ArrayLike, b: ArrayLike, *, alpha: float = 0.05
) -> tuple[Floats, Floats]:
    """Return how often chance alone makes a total significant, above and below its interval.

    Parameters
    ----------
    N, a, b
        Weights in each layer and weights that the two masks keep, shape (..., layers).
    alpha
        Nominal level.

    Returns
    -------
    tuple of numpy.ndarray
        float64 of shape (...), probability above and below.

    Raises
    ------
    UsageError
        If alpha is not between 0 and 1, or sizes are impossible.

    Examples
    --------
    >>> above, below = exact_size_total([150, 150], [15, 15], [15, 15])
    >>> round(100 * float(above + below), 2)
    1.95
    """
    low, high = interval_total(N, a, b, alpha=alpha)
    below, _ = log_tails_total(low - 1, N, a, b)
    _, above = log_tails_total(high + 1, N, a, b)
    return np.exp(above), np.exp(below)


def min_detectable_lift_total(
    N: ArrayLike, a: ArrayLike, b: ArrayLike, *, alpha: float = 0.05
) -> Floats:
    """Return the smallest significantly high total overlap, as a multiple of chance.

    Parameters
    ----------
    N, a, b
        Weights in each layer and weights that the two masks keep, shape (..., layers).
    alpha
        Level.

    Returns
    -------
    numpy.ndarray
        float64 of shape (...); NaN where no overlap is significant.

    Raises
    ------
    UsageError
        If alpha is not between 0 and 1, or sizes are impossible.

    Examples
    --------
    >>> round(float(min_detectable_lift_total([840, 840], [84, 84], [84, 84])), 2)
    1.49
    """
    _, high = interval_total(N, a, b, alpha=alpha)
    largest = support(N, a, b)[1].sum(axis=-1)
    with np.errstate(divide="ignore", invalid="ignore"):
        lift = (high + 1) / moments_total(N, a, b)[0]
    return np.where(high < largest, lift, np.nan)


def untestable_total(N: ArrayLike, a: ArrayLike, b: ArrayLike) -> NDArray[np.bool_]:
    """Say where every layer allows one overlap only.

    Parameters
    ----------
    N, a, b
        Weights in each layer and weights that the two masks keep, shape (..., layers).

    Returns
    -------
    numpy.ndarray
        bool of shape (...).

    Examples
    --------
    >>> bool(untestable_total([10, 4], [10, 0], [5, 2]))
    True
    """
    low, high = support(N, a, b)
    return np.asarray((low == high).all(axis=-1))


def _rows(N: ArrayLike, a: ArrayLike, b: ArrayLike) -> tuple[tuple[int, ...], Floats]:
    """Return the shape without layers, and sizes as (pairs, layers, 3)."""
    arrays = np.broadcast_arrays(*(np.asarray(v, dtype=np.float64) for v in (N, a, b)))
    stacked = np.stack(arrays, axis=-1)
    return stacked.shape[:-2], stacked.reshape(-1, *stacked.shape[-2:])


def _total(x: ArrayLike, N: ArrayLike, a: ArrayLike, b: ArrayLike) -> tuple[Floats, Floats, Floats]:
    """Return ln P(X <= x), ln P(X >= x) and ln P(X = x) of total overlaps."""
    shape, rows = _rows(N, a, b)
    Ns, as_, bs = np.moveaxis(rows, -1, 0)
    moments(Ns, as_, bs)  # refuses impossible sizes
    xs = np.asarray(x, dtype=np.float64)
    outer = np.broadcast_shapes(xs.shape, shape)
    if outer != shape:
        index = np.broadcast_to(np.arange(len(rows)).reshape(shape), outer).ravel()
        Ns, as_, bs = Ns[index], as_[index], bs[index]
    xs = np.broadcast_to(xs, outer).ravel()
    at_most, at_least, at_x = _totals(xs, Ns, as_, bs)
    return at_most.reshape(outer), at_least.reshape(outer), at_x.reshape(outer)


def _totals(x: Floats, N: Floats, a: Floats, b: Floats) -> tuple[Floats, Floats, Floats]:
    """Do the same for x of shape (pairs,) and sizes of shape (pairs, layers)."""
    low, high = support(N, a, b)
    free = low < high
    lowest, highest = low.sum(axis=-1), high.sum(axis=-1)
    at_most = np.where(x >= lowest, 0.0, -np.inf)
    at_least = np.where(x <= highest, 0.0, -np.inf)
    at_x = np.where((x >= lowest) & (x <= highest), 0.0, -np.inf)
    inside = (x >= lowest) & (x <= highest)
    single = np.flatnonzero(inside & (free.sum(axis=-1) == 1))
    if single.size:
        layer = free[single].argmax(axis=-1)
        one = single, layer
        rest = lowest[single] - low[one]
        y = x[single] - rest
        at_most[single], at_least[single] = log_tails(y, N[one], a[one], b[one])
        at_x[single] = log_pmf(y, N[one], a[one], b[one])
    several = np.flatnonzero(inside & (free.sum(axis=-1) > 1))
    if several.size:
        at_most[several], at_least[several], at_x[several] = _several(
            x[several], N[several], a[several], b[several]
        )
        at_most[x == highest] = 0.0
        at_least[x == lowest] = 0.0
    return at_most, at_least, at_x


def _several(x: Floats, N: Floats, a: Floats, b: Floats) -> tuple[Floats, Floats, Floats]:
    """Do the same inside the support; lower tails by reflection X -> sum of a - X."""
    lowest = support(N, a, b)[0].sum(axis=-1)
    upper = (x > lowest) & (x >= moments(N, a, b)[0].sum(axis=-1))
    y = np.where(upper, x, a.sum(axis=-1) - x)
    at_x, above = log_pmf_and_above(y, N, a, np.where(upper[:, None], b, N - b))
    near = np.minimum(np.logaddexp(at_x, above), 0.0)
    far = log1mexp(above)
    return np.where(upper, far, near), np.where(upper, near, far), at_x


def _lowest_total(N: Floats, a: Floats, b: Floats, level: Floats) -> Floats:
    """Return the smallest v with P(X <= v) > e**level for each pair."""
    mean, variance, third = (m.sum(axis=-1) for m in moments(N, a, b))
    low, high = (v.sum(axis=-1) for v in support(N, a, b))

    def tail(rows: NDArray[np.intp], v: Floats) -> tuple[Floats, Floats]:
        at_most, _, at_v = _totals(v, N[rows], a[rows], b[rows])
        return at_most, at_v

    return first_above(tail, lower_quantile(mean, variance, third, level), low, high, level)
