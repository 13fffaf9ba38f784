"""Chance overlap of two masks of fixed sizes: the hypergeometric law in log space.

X = |A and B| where A and B are drawn uniformly among the masks that keep `a` and `b` of `N`
weights. Probabilities are natural logarithms throughout, so nothing underflows, and every size up
to 2**53 costs the same few microseconds.
"""

from __future__ import annotations

import functools

import numpy as np
from numpy.typing import ArrayLike, NDArray

from maskstat.errors import UsageError
from maskstat.stats._log_ratio import SIGNS, is_smooth, smooth_log_ratios
from maskstat.stats._stirling import deviance, log1mexp, log_factorial_remainder, two_product

__all__ = ["excess", "log_pmf", "log_tails", "moments", "support"]

Floats = NDArray[np.float64]

LARGEST_SIZE = 2**53
_LONGEST_SERIES = 512  # terms; a longer tail is integrated
_SERIES_BLOCK = 64
_ROWS_AT_ONCE = 512
_NEGLIGIBLE = 42.0  # e**-42 of the first term is where a tail is cut


def log_pmf(x: ArrayLike, N: ArrayLike, a: ArrayLike, b: ArrayLike) -> Floats:
    """Return ln P(X = x).

    Parameters
    ----------
    x
        Overlap: whole numbers, any shape that broadcasts with the others.
    N
        Weights in the layer, at most 2**53.
    a, b
        Weights that the two masks keep.

    Returns
    -------
    numpy.ndarray
        float64 of the broadcast shape; minus infinity outside the support.

    Raises
    ------
    UsageError
        If not 0 <= a, b <= N <= 2**53.

    Notes
    -----
    The logarithm is minus half of the likelihood-ratio statistic of the 2 x 2 table plus the
    remainders of the nine log-factorials (the idea of Loader, Fast and accurate computation of
    binomial probabilities, 2000). All four cells are off their expectation by the same t, whose
    numerator x N - a b is computed exactly. Relative error about 1e-14, or 1e-14 absolute where
    the probability is near 1.

    Examples
    --------
    >>> float(log_pmf(1, 2, 1, 1).round(6))
    -0.693147
    """
    x, N, a, b = _floats(x, N, a, b)
    _check_sizes(N, a, b)
    return _log_pmf(x, N, a, b)


def log_tails(x: ArrayLike, N: ArrayLike, a: ArrayLike, b: ArrayLike) -> tuple[Floats, Floats]:
    """Return ln P(X <= x) and ln P(X >= x); both include x.

    Parameters
    ----------
    x
        Overlap: whole numbers, any shape that broadcasts with the others.
    N
        Weights in the layer, at most 2**53.
    a, b
        Weights that the two masks keep.

    Returns
    -------
    tuple of numpy.ndarray
        float64 of the broadcast shape. Relative error of the logarithms about 1e-13.

    Raises
    ------
    UsageError
        If not 0 <= a, b <= N <= 2**53.

    Notes
    -----
    The tail away from the mean is P(X = x) (1 + r1 + r1 r2 + ...), with r the ratios of
    neighbouring probabilities, when that is at most 512 terms, and otherwise Euler-Maclaurin's
    formula with the integral by Gauss-Legendre quadrature. The other tail is its complement, and
    the lower side is the upper side of a - X, which is hypergeometric with b replaced by N - b.

    Examples
    --------
    >>> below, above = log_tails(4, 10, 5, 5)
    >>> float(np.exp(above).round(6))
    0.103175
    """
    x, N, a, b = np.broadcast_arrays(*_floats(x, N, a, b))
    _check_sizes(N, a, b)
    shape = x.shape
    x, N, a, b = (np.ascontiguousarray(v).ravel() for v in (x, N, a, b))
    low, high = support(N, a, b)
    above_mean = _excess(x, N, a, b) >= 0
    y = np.clip(x, low, high)
    # Reflected rows look at a - X, so that every row asks for its upper tail.
    y = np.where(above_mean, y, a - y)
    c = np.where(above_mean, b, N - b)
    include, exclude = _upper_tails(y, N, a, c)
    near, far = include, log1mexp(exclude)
    likely = np.flatnonzero((include > -0.6) & (y > np.maximum(0, a - (N - c))))
    if likely.size:  # a tail near 1 is known best from its small complement
        i = likely
        opposite, _ = _upper_tails(a[i] - y[i] + 1, N[i], a[i], N[i] - c[i])
        near[i] = log1mexp(opposite)
    at_most = np.where(above_mean, far, near)
    at_least = np.where(above_mean, near, far)
    at_most = np.where(x < low, -np.inf, np.where(x >= high, 0.0, at_most))
    at_least = np.where(x > high, -np.inf, np.where(x <= low, 0.0, at_least))
    return at_most.reshape(shape), at_least.reshape(shape)


def support(N: ArrayLike, a: ArrayLike, b: ArrayLike) -> tuple[Floats, Floats]:
    """Return the smallest and the largest overlap that the sizes allow.

    Parameters
    ----------
    N, a, b
        Weights in the layer and weights that the two masks keep.

    Returns
    -------
    tuple of numpy.ndarray
        max(0, a + b - N) and min(a, b), float64 of the broadcast shape.

    Examples
    --------
    >>> low, high = support(10, 7, 8)
    >>> int(low), int(high)
    (5, 7)
    """
    N, a, b = np.broadcast_arrays(*_floats(N, a, b))
    return np.maximum(0.0, a - (N - b)), np.minimum(a, b)


def excess(x: ArrayLike, N: ArrayLike, a: ArrayLike, b: ArrayLike) -> Floats:
    """Return x - a b / N with the difference taken exactly before it is divided.

    Parameters
    ----------
    x, N, a, b
        Overlap, weights in the layer, weights that the two masks keep.

    Returns
    -------
    numpy.ndarray
        float64 of the broadcast shape; 0 for a layer without weights.

    Examples
    --------
    >>> float(excess(3, 10, 5, 5))
    0.5
    """
    return _excess(*_floats(x, N, a, b))


def moments(N: ArrayLike, a: ArrayLike, b: ArrayLike) -> tuple[Floats, Floats, Floats]:
    """Return mean, variance and third cumulant of the overlap.

    Parameters
    ----------
    N, a, b
        Weights in the layer and weights that the two masks keep.

    Returns
    -------
    tuple of numpy.ndarray
        float64 of the broadcast shape. All three are cumulants: over independent layers they add.

    Raises
    ------
    UsageError
        If not 0 <= a, b <= N <= 2**53.

    Notes
    -----
    ab/N, ab(N-a)(N-b)/(N^2(N-1)), and the variance times (1-2a/N)(1-2b/N)N/(N-2).

    Examples
    --------
    >>> [float(m) for m in moments(10, 5, 5)]
    [2.5, 0.6944444444444444, 0.0]
    """
    N, a, b = _floats(N, a, b)
    _check_sizes(N, a, b)
    size = np.maximum(N, 1.0)
    mean = a * b / size
    variance = mean * ((N - a) / size) * ((N - b) / np.maximum(N - 1, 1.0))
    skew = (((N - a) - a) / size) * (((N - b) - b) / size) * (size / np.maximum(N - 2, 1.0))
    return np.asarray(mean), np.asarray(variance), np.asarray(variance * skew)


def _floats(*values: ArrayLike) -> list[Floats]:
    return [np.asarray(v, dtype=np.float64) for v in values]


def _check_sizes(N: Floats, a: Floats, b: Floats) -> None:
    if np.any(N > LARGEST_SIZE):
        raise UsageError(
            f"a layer of {N.max():.0f} weights is too large",
            code="too-many-weights",
            consequence="counts above 2**53 are not exact in double precision",
        )
    if not np.all((a >= 0) & (b >= 0) & (a <= N) & (b <= N)):
        raise UsageError(
            "a mask keeps fewer than none or more than all of its weights",
            code="impossible-counts",
            hint="counts are passed as (x, N, a, b): overlap, weights, kept by A, kept by B",
        )


def _excess(x: Floats, N: Floats, a: Floats, b: Floats) -> Floats:
    """Divide the exact x N - a b by N."""
    x_N, x_N_low = two_product(x, N)
    a_b, a_b_low = two_product(a, b)
    return np.asarray(((x_N - a_b) + (x_N_low - a_b_low)) / np.maximum(N, 1.0))


def _log_pmf(x: Floats, N: Floats, a: Floats, b: Floats) -> Floats:
    t = _excess(x, N, a, b)
    N, a, b = (v.reshape((1,) * (t.ndim - v.ndim) + v.shape) for v in (N, a, b))
    size = np.maximum(N, 1.0)
    not_a, not_b = N - a, N - b
    x_in = np.clip(x, np.maximum(0.0, a - not_b), np.minimum(a, b))
    share, not_share = b / size, not_b / size
    # The four cells, and the five sizes, at once: for few overlaps the calls are what costs.
    expected = _stacked(a * share, a * not_share, not_a * share, not_a * not_share)
    likelihood_ratio = deviance(expected, _stacked(t, -t, -t, t)).sum(axis=0)
    sizes = log_factorial_remainder(_stacked(a, not_a, b, not_b, N))
    cells = log_factorial_remainder(_stacked(x_in, a - x_in, b - x_in, not_a - (b - x_in)))
    remainders = (sizes[:4].sum(axis=0) - sizes[4]) - cells.sum(axis=0)
    return np.where(x == x_in, remainders - likelihood_ratio, -np.inf)


def _stacked(*values: Floats) -> Floats:
    return np.stack(np.broadcast_arrays(*values))


def _upper_tails(x: Floats, N: Floats, a: Floats, b: Floats) -> tuple[Floats, Floats]:
    """Return ln P(X >= x) and ln P(X > x) for flat x in the support, from the mean up."""
    log_p = _log_pmf(x, N, a, b)
    only_a, only_b, neither = a - x, b - x, (N - a) - (b - x)
    with np.errstate(divide="ignore", invalid="ignore"):
        mean = a * (b / np.maximum(N, 1.0))
        sd = np.sqrt(mean * ((N - a) / np.maximum(N, 1.0)) * ((N - b) / np.maximum(N - 1, 1.0)))
        decay = np.log1p(np.maximum(_excess(x, N, a, b), 0.0) * N / (only_a * only_b))
        terms = np.fmin(np.minimum(only_a, only_b), np.fmin(_NEGLIGIBLE / decay, 9.5 * sd + 50))
    ratio = np.zeros_like(x)  # P(X > x) / P(X = x)
    short = terms <= _LONGEST_SERIES
    for rows, summed in ((short, _series), (~short, _euler_maclaurin)):
        index = np.flatnonzero(rows)
        for start in range(0, index.size, _ROWS_AT_ONCE):
            i = index[start : start + _ROWS_AT_ONCE]
            ratio[i] = summed(x[i], only_a[i], only_b[i], neither[i], decay[i])
    with np.errstate(divide="ignore"):
        log_ratio = np.log(ratio)
    return np.minimum(log_p + np.log1p(ratio), 0.0), np.minimum(log_p + log_ratio, 0.0)


def _series(both: Floats, only_a: Floats, only_b: Floats, neither: Floats, _: Floats) -> Floats:
    """Sum r1 + r1 r2 + ... of the four cells, a block of terms at a time."""
    total = np.zeros_like(both)
    last = np.ones_like(both)
    left = np.flatnonzero(np.minimum(only_a, only_b) > 0)
    k = np.arange(float(_SERIES_BLOCK))
    while left.size:
        i = left[:, None]
        ratios = np.maximum(only_a[i] - k, 0) * np.maximum(only_b[i] - k, 0)
        ratios /= (both[i] + (k + 1)) * (neither[i] + (k + 1))
        products = np.cumprod(ratios, axis=1)
        products *= last[i]
        total[left] += products.sum(axis=1)
        last[left] = products[:, -1]
        k = k + _SERIES_BLOCK
        left = left[last[left] > 1e-17 * total[left]]
    return total


def _euler_maclaurin(
    both: Floats, only_a: Floats, only_b: Floats, neither: Floats, decay: Floats
) -> Floats:
    """Return the sum over y > x of P(y)/P(x) as an integral and its end corrections.

    All four cells are at least about 500 here, so Stirling's series is good to the last place.
    """
    cells = np.stack([both, only_a, only_b, neither])
    inverse = 1.0 / cells
    curvature = inverse.sum(axis=0)
    reach = 2 * _NEGLIGIBLE / (decay + np.sqrt(decay**2 + 2 * _NEGLIGIBLE * curvature))
    nodes, weights = _gauss_legendre()
    y = 0.5 * (1.0 + nodes)
    ratios = np.empty((both.size, y.size))
    smooth = is_smooth(cells, reach)
    ratios[smooth] = smooth_log_ratios(cells[:, smooth], -decay[smooth], reach[smooth], y)
    ratios[~smooth] = _log_ratios(cells[:, ~smooth], decay[~smooth], reach[~smooth, None] * y)
    integral = 0.5 * reach * (np.exp(ratios) @ weights)
    # Derivatives of ln P at x by the series of the polygamma functions, then those of P / P(x).
    g1 = -decay + (SIGNS * inverse * (inverse / 12 - 0.5)).sum(axis=0)
    g2 = -(inverse * (1 - inverse * (0.5 - inverse / 6))).sum(axis=0)
    g3 = (SIGNS * inverse**2 * (1 - inverse)).sum(axis=0)
    third = g1**3 + 3 * g1 * g2 + g3
    fifth = g1**5 + 10 * g1**3 * g2 + 10 * g1**2 * g3 + 15 * g1 * g2**2 + 10 * g2 * g3
    return np.asarray(integral - 0.5 - g1 / 12 + third / 720 - fifth / 30240)


def _log_ratios(cells: Floats, decay: Floats, h: Floats) -> Floats:
    """Return ln P(x + h) - ln P(x), cell by cell."""
    exponent = decay[:, None] * h
    shrink = np.ones_like(h)
    for cell, sign in zip(cells[..., None], SIGNS[:, 0], strict=True):
        moved = sign * h
        grown = cell + moved
        exponent += deviance(cell, moved)
        exponent += _stirling_tail(grown) - _stirling_tail(cell)
        shrink *= grown / cell
    return -exponent - 0.5 * np.log(shrink)


def _stirling_tail(k: Floats) -> Floats:
    """Return ln k! - (k ln k - k + ln(2 pi k) / 2) for k >= 300."""
    r = 1.0 / k
    return r * (1 / 12 - r * r / 360)


@functools.cache
def _gauss_legendre() -> tuple[Floats, Floats]:
    from numpy.polynomial.legendre import leggauss

    nodes, weights = leggauss(32)
    return nodes, weights
