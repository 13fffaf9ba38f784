"""The Jaccard index of two masks, and what chance makes of it.

Two masks that both keep nothing agree: their index is 1 and their distance 0. Such layers carry
nothing else to say, so means over layers leave them out and totals add nothing for them.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from maskstat.stats._distinct import distinct_rows
from maskstat.stats._tilted import lattice, width
from maskstat.stats.hypergeometric import moments
from maskstat.stats.stratified import moments_total

__all__ = [
    "adjusted_jaccard",
    "empty_union",
    "expected_jaccard",
    "expected_jaccard_total",
    "jaccard",
    "jaccard_distance",
    "mean_of_layers",
]

Floats = NDArray[np.float64]

_ROWS_AT_ONCE = 256


def jaccard(x: ArrayLike, a: ArrayLike, b: ArrayLike) -> Floats:
    """Return |A and B| / |A or B|.

    Parameters
    ----------
    x
        Overlap; shapes broadcast. For the index of a total, pass sums over layers.
    a, b
        Weights that the two masks keep.

    Returns
    -------
    numpy.ndarray
        float64 of the broadcast shape; 1 where both masks are empty.

    Examples
    --------
    >>> jaccard([2, 0], [4, 0], [4, 0]).round(4).tolist()
    [0.3333, 1.0]
    """
    x, a, b = (np.asarray(v, dtype=np.float64) for v in (x, a, b))
    union = a + (b - x)
    return np.where(union > 0, x / np.where(union > 0, union, 1.0), 1.0)


def jaccard_distance(x: ArrayLike, a: ArrayLike, b: ArrayLike) -> Floats:
    """Return 1 - |A and B| / |A or B|.

    Parameters
    ----------
    x
        Overlap; shapes broadcast. For the distance of a total, pass sums over layers.
    a, b
        Weights that the two masks keep.

    Returns
    -------
    numpy.ndarray
        float64 of the broadcast shape; 0 where both masks are empty, 1 where one is.

    Examples
    --------
    >>> jaccard_distance([2, 0, 0], [4, 0, 3], [4, 0, 0]).round(4).tolist()
    [0.6667, 0.0, 1.0]
    """
    x, a, b = (np.asarray(v, dtype=np.float64) for v in (x, a, b))
    union = a + (b - x)
    return np.asarray(((a - x) + (b - x)) / np.where(union > 0, union, 1.0))


def empty_union(a: ArrayLike, b: ArrayLike) -> NDArray[np.bool_]:
    """Say where both masks keep nothing, so that the index is a convention.

    Parameters
    ----------
    a, b
        Weights that the two masks keep; shapes broadcast.

    Returns
    -------
    numpy.ndarray
        bool.

    Examples
    --------
    >>> empty_union([0, 0], [0, 1]).tolist()
    [True, False]
    """
    return np.asarray((np.asarray(a) == 0) & (np.asarray(b) == 0))


def mean_of_layers(x: ArrayLike, a: ArrayLike, b: ArrayLike) -> Floats:
    """Return the unweighted mean over layers of the Jaccard index.

    Parameters
    ----------
    x
        Overlap in each layer, shape (..., layers).
    a, b
        Weights that the two masks keep in each layer, shape (..., layers).

    Returns
    -------
    numpy.ndarray
        float64 of shape (...); NaN where every layer's union is empty.

    Notes
    -----
    The index of the total, sum of x over sum of unions, is the mean weighted by unions: another
    number. Layers with an empty union are left out of both.

    Examples
    --------
    >>> float(mean_of_layers([2, 0], [4, 0], [4, 0]).round(4))
    0.3333
    """
    index = jaccard(x, a, b)
    counted = np.broadcast_to(~empty_union(a, b), index.shape)
    layers = counted.sum(axis=-1)
    total = np.where(counted, index, 0.0).sum(axis=-1)
    return np.where(layers > 0, total / np.maximum(layers, 1), np.nan)


def expected_jaccard(N: ArrayLike, a: ArrayLike, b: ArrayLike) -> tuple[Floats, Floats]:
    """Return mean and standard deviation of the Jaccard index of two random masks of fixed sizes.

    Parameters
    ----------
    N, a, b
        Weights in the layer and weights that the two masks keep; shapes broadcast.

    Returns
    -------
    tuple of numpy.ndarray
        float64 of the broadcast shape, relative error about 1e-13.

    Raises
    ------
    UsageError
        If not 0 <= a, b <= N <= 2**53.

    Notes
    -----
    The sum of P(X = x) x / (a + b - x), on a lattice thinned to a third of the standard deviation.
    The ratio of expectations E[X] / E[a + b - X] is always lower (by 9 % at N = 10).

    Examples
    --------
    >>> [round(float(v), 6) for v in expected_jaccard(840, 84, 84)]
    [0.052914, 0.017302]
    """
    moments(N, a, b)  # refuses impossible sizes
    arrays = np.broadcast_arrays(*(np.asarray(v, dtype=np.float64) for v in (N, a, b)))
    sizes = np.stack([v.ravel() for v in arrays])
    first, inverse = distinct_rows(sizes.T)
    Ns, as_, bs = sizes[:, first]
    mean, sd = np.empty_like(Ns), np.empty_like(Ns)
    untilted = np.zeros_like(Ns)
    order = np.argsort(width(Ns, as_, bs, untilted))
    for start in range(0, order.size, _ROWS_AT_ONCE):
        i = order[start : start + _ROWS_AT_ONCE]
        law = lattice(Ns[i], as_[i], bs[i], untilted[i])
        index = jaccard(
            np.where(law.weight > 0, law.center[:, None] + law.offset, 0.0),
            as_[i, None],
            bs[i, None],
        )
        weight = law.weight / law.weight.sum(axis=-1, keepdims=True)
        mean[i] = (weight * index).sum(axis=-1)
        sd[i] = np.sqrt((weight * (index - mean[i, None]) ** 2).sum(axis=-1))
    shape = arrays[0].shape
    index_back = inverse.reshape(shape)
    return mean[index_back], sd[index_back]


def expected_jaccard_total(N: ArrayLike, a: ArrayLike, b: ArrayLike) -> tuple[Floats, Floats]:
    """Return mean and standard deviation of the total Jaccard index under the stratified null.

    Parameters
    ----------
    N, a, b
        Weights in each layer and weights that the two masks keep, shape (..., layers).

    Returns
    -------
    tuple of numpy.ndarray
        float64 of shape (...).

    Raises
    ------
    UsageError
        If not 0 <= a, b <= N <= 2**53.

    Notes
    -----
    Of one layer, the exact sum. Of more, the delta method with the exact cumulants m, v, k of the
    total overlap and d = S - m, S the sum of a + b: m/d + S v/d^3 + S k/d^4 + 3 S v^2/d^5, and
    S sqrt(v)/d^2. For 2,400 weights in all, a tenth of them kept, the mean is off by 2e-10 and the
    standard deviation by 0.2 %; for 150 by 1e-6 and 3 %.

    Examples
    --------
    >>> [round(float(v), 5) for v in expected_jaccard_total([840, 2400], [84, 240], [84, 240])]
    [0.0527, 0.00876]
    """
    N, a, b = np.broadcast_arrays(*(np.asarray(v, dtype=np.float64) for v in (N, a, b)))
    if N.shape[-1] == 1:
        return expected_jaccard(N[..., 0], a[..., 0], b[..., 0])
    mean, variance, third = moments_total(N, a, b)
    kept = (a + b).sum(axis=-1)
    empty = kept == 0
    d = np.where(empty, 1.0, kept - mean)
    index = mean / d + kept * (variance / d**3 + third / d**4 + 3 * variance * (variance / d**5))
    return np.where(empty, 1.0, index), np.where(empty, 0.0, kept * np.sqrt(variance) / d**2)


def adjusted_jaccard(x: ArrayLike, N: ArrayLike, a: ArrayLike, b: ArrayLike) -> Floats:
    """Return how far the Jaccard index lies between chance (0) and its maximum (1).

    Parameters
    ----------
    x, N, a, b
        Overlap, weights in the layer, weights that the two masks keep; shapes broadcast.

    Returns
    -------
    numpy.ndarray
        float64 of the broadcast shape; NaN where chance already is the maximum.

    Raises
    ------
    UsageError
        If not 0 <= a, b <= N <= 2**53.

    Notes
    -----
    (J - E[J]) / (max J - E[J]) with max J = min(a, b) / max(a, b).

    Examples
    --------
    >>> adjusted_jaccard([84, 8], 840, 84, 84).round(3).tolist()
    [1.0, -0.003]
    """
    expected, _ = expected_jaccard(N, a, b)
    largest = jaccard(np.minimum(a, b), a, b)
    room = largest - expected
    fixed = room <= 1e-12
    return np.where(fixed, np.nan, (jaccard(x, a, b) - expected) / np.where(fixed, 1.0, room))
