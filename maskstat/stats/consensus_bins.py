"""Consensus bins: how many weights of a layer exactly j of k masks keep, and their chance law.

The masks are independent and uniform given their sizes. The bins' means and covariances are exact;
the omnibus test on all of them at once is a chi-square with exactly those moments.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from maskstat.errors import UsageError
from maskstat.stats.chi_square import chi_square_log_sf, normal_log_sf
from maskstat.stats.mask_sizes import checked_sizes

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

__all__ = [
    "BinMoments",
    "Omnibus",
    "bin_log_p",
    "bin_moments",
    "bins_omnibus",
    "layer_bin_moments",
    "overlap_sum_moments",
    "summed_bin_moments",
    "total_bin_moments",
]

Floats: TypeAlias = NDArray[np.float64]

_LOG_10 = float(np.log(10.0))
_NORMAL_FROM = 10.0  # mean from which a bin's normal p-value is worth printing
_MERGE_BELOW = 5.0
_LARGEST_BATCH = 1_000_000  # covariances at once


class BinMoments(NamedTuple):
    """Mean and covariance of the counts B_0, ..., B_k.

    Parameters
    ----------
    mean : float64 (k + 1,)
        Expected number of weights kept by exactly j masks.
    cov : float64 (k + 1, k + 1)
        Their covariance. Its rank is at most k - 1: sum B_j and sum j B_j are fixed.
    """

    mean: Floats
    cov: Floats

    @property
    def sd(self) -> Floats:
        """Standard deviation of every bin, float64 (k + 1,)."""
        return np.sqrt(np.diag(self.cov))


@dataclass(frozen=True, slots=True, kw_only=True)
class Omnibus:
    """One test of all consensus bins at once.

    Parameters
    ----------
    statistic
        Squared distance of the bins from their mean in units of their covariance; None where
        nothing is left to test.
    df
        Degrees of freedom.
    log10_p
        Decimal logarithm of the chi-square upper tail; None where nothing is left to test.
    groups
        The bins that were counted together, each as (lowest j, highest j).
    """

    statistic: float | None
    df: int
    log10_p: float | None
    groups: tuple[tuple[int, int], ...]


def bin_moments(N: int, sizes: Sequence[int]) -> BinMoments:
    """Return the exact mean and covariance of every consensus bin of one layer.

    Parameters
    ----------
    N
        Weights in the layer, from 1 to 2**53.
    sizes
        Weights kept by each of the k masks; their order does not matter.

    Returns
    -------
    BinMoments
        Mean (k + 1,) and covariance (k + 1, k + 1), float64.

    Raises
    ------
    UsageError
        There is no mask, or a size does not fit the layer.

    Notes
    -----
    Mask by mask. A mask of size n moves M_j of the B_j weights of bin j to bin j + 1, and given B
    the M are multivariate hypergeometric, with Cov(M_j, M_l) = v (B_j 1[j = l] - B_j B_l / N),
    v = n (N - n) / (N (N - 1)). The law of total covariance gives ::

        C <- T C T' + v S (diag(mu) - mu mu' / N - C / N) S'

    where T = mean move (keep 1 - n/N, move n/N) and S subtracts M_j from bin j and adds it to bin
    j + 1. Every term but the last, which is 1/N of the first, adds to the variances, so nothing
    cancels; the means are N times the Poisson-binomial law.

    Examples
    --------
    >>> mean, cov = bin_moments(5, [2, 3])
    >>> mean.round(12).tolist(), np.diag(cov).round(12).tolist()
    ([1.2, 2.6, 1.2], [0.36, 1.44, 0.36])
    """
    (moments,) = layer_bin_moments([(N, sizes)])
    return moments


def layer_bin_moments(layers: Iterable[tuple[int, Sequence[int]]]) -> list[BinMoments]:
    """Return the exact moments of the bins of every layer.

    Parameters
    ----------
    layers
        For each layer its number of weights and its k mask sizes.

    Returns
    -------
    list of BinMoments
        As `bin_moments` gives them for each, in a fraction of the time.

    Raises
    ------
    UsageError
        There is no layer, a size does not fit, or the layers have different numbers of masks.

    Examples
    --------
    >>> [float(m.mean[0].round(12)) for m in layer_bin_moments([(5, [2, 3]), (7, [1, 2])])]
    [1.2, 4.285714285714]
    """
    checked = [checked_sizes(N, sizes) for N, sizes in layers]
    if len({len(sizes) for _, sizes in checked}) != 1:
        raise UsageError(
            "layers have different numbers of masks" if checked else "there are no layers",
            code="impossible-counts",
        )
    at_once = max(1, _LARGEST_BATCH // (len(checked[0][1]) + 1) ** 2)
    parts: list[BinMoments] = []
    for start in range(0, len(checked), at_once):
        parts.extend(map(BinMoments, *_moments(checked[start : start + at_once])))
    return parts


def total_bin_moments(layers: Iterable[tuple[int, Sequence[int]]]) -> BinMoments:
    """Return the moments of the bins summed over layers, each layer's sizes fixed.

    Parameters
    ----------
    layers
        For each layer its number of weights and its k mask sizes.

    Returns
    -------
    BinMoments
        Means and covariances add: under the stratified null, layers are independent.

    Raises
    ------
    UsageError
        There is no layer, a size does not fit, or the layers have different numbers of masks.

    Examples
    --------
    >>> total_bin_moments([(5, [2, 3]), (5, [2, 3])]).mean.round(12).tolist()
    [2.4, 5.2, 2.4]
    """
    return summed_bin_moments(layer_bin_moments(layers))


def summed_bin_moments(parts: Sequence[BinMoments]) -> BinMoments:
    """Return the moments of the bins summed over independent layers.

    Parameters
    ----------
    parts
        From `layer_bin_moments`; at least one.

    Returns
    -------
    BinMoments

    Examples
    --------
    >>> layers = [(5, [2, 3]), (5, [2, 3])]
    >>> summed_bin_moments(layer_bin_moments(layers)).mean.round(12).tolist()
    [2.4, 5.2, 2.4]
    """
    return BinMoments(
        np.asarray(sum(part.mean for part in parts)), np.asarray(sum(part.cov for part in parts))
    )


def bins_omnibus(observed: ArrayLike, moments: BinMoments) -> Omnibus:
    """Test all consensus bins at once against their exact mean and covariance.

    Parameters
    ----------
    observed : int (k + 1,)
        Number of weights kept by exactly j masks, of a layer or summed over layers.
    moments
        From `bin_moments` or `total_bin_moments`.

    Returns
    -------
    Omnibus
        The chi-square test; its p-value is approximate, and in the far tail only an order of
        magnitude.

    Raises
    ------
    UsageError
        The number of bins differs from that of the moments.

    Notes
    -----
    Bins at both ends are counted together until each group expects 5 weights or more; nothing in
    between can be smaller, as the means are log-concave. Two groups follow from the others
    (sum B_j and sum j B_j are fixed), and the two fullest are left out: k - 1 degrees of freedom
    when nothing is merged, two fewer than groups otherwise.

    Examples
    --------
    >>> null = bin_moments(2400, [480] * 5)
    >>> test = bins_omnibus([786, 984, 491, 123, 15, 1], null)
    >>> test.df, test.groups[-1]
    (3, (4, 5))
    """
    counts = np.asarray(observed, dtype=np.float64)
    if counts.shape != moments.mean.shape:
        raise UsageError(
            f"{counts.size} bins were counted and {moments.mean.size} are expected",
            code="impossible-counts",
        )
    starts = _group_starts(moments.mean)
    ends = np.append(starts[1:], counts.size)
    groups = tuple((int(a), int(b) - 1) for a, b in zip(starts, ends, strict=True))
    mean = np.add.reduceat(moments.mean, starts)
    tested = np.sort(np.argsort(-mean, kind="stable")[2:])
    if not tested.size:
        return Omnibus(statistic=None, df=0, log10_p=None, groups=groups)
    cov = np.add.reduceat(np.add.reduceat(moments.cov, starts, axis=0), starts, axis=1)
    cov = cov[np.ix_(tested, tested)]
    sd = np.sqrt(np.diag(cov))
    z = (np.add.reduceat(counts, starts) - mean)[tested] / sd
    statistic = max(0.0, float(z @ np.linalg.solve(cov / np.outer(sd, sd), z)))
    log_p = chi_square_log_sf(statistic, tested.size)
    return Omnibus(statistic=statistic, df=int(tested.size), log10_p=log_p / _LOG_10, groups=groups)


def bin_log_p(observed: float, mean: float, sd: float) -> float | None:
    """Return ln of the two-sided normal p-value of one bin, or None where it cannot be trusted.

    Parameters
    ----------
    observed
        Weights counted in the bin.
    mean, sd
        Its exact moments.

    Returns
    -------
    float or None
        None for a mean below 10 or a bin that cannot vary.

    Notes
    -----
    For the bins between none and all, whose exact law has no cheap form. With continuity
    correction; a guide within 3 sd, an order of magnitude beyond. The end bins have
    exact tails in `maskstat.stats.multiway`.

    Examples
    --------
    >>> round(bin_log_p(130, 100.0, 10.0), 3)
    -5.752
    """
    if mean < _NORMAL_FROM or sd <= 0:
        return None
    z = max(0.0, abs(observed - mean) - 0.5) / sd
    return min(0.0, normal_log_sf(z) + float(np.log(2.0)))


def overlap_sum_moments(moments: BinMoments) -> tuple[float, float]:
    """Return mean and sd of the overlaps summed over all pairs of masks.

    Parameters
    ----------
    moments
        From `bin_moments` or `total_bin_moments`.

    Returns
    -------
    tuple of float
        Mean and standard deviation of sum_j C(j, 2) B_j, which is that sum.

    Notes
    -----
    The pairs' overlaps are pairwise independent under the null, so the variance is also the sum of
    the hypergeometric variances.

    Examples
    --------
    >>> mean, sd = overlap_sum_moments(bin_moments(10, [5, 5, 5]))
    >>> round(mean, 12), round(sd**2, 12)
    (7.5, 2.083333333333)
    """
    j = np.arange(moments.mean.size)
    weights = 0.5 * j * (j - 1)
    variance = float(weights @ moments.cov @ weights)
    return float(weights @ moments.mean), max(0.0, variance) ** 0.5


def _moments(layers: Sequence[tuple[int, Sequence[int]]]) -> tuple[Floats, Floats]:
    """Return means (layers, k + 1) and covariances (layers, k + 1, k + 1), mask by mask."""
    k = len(layers[0][1])
    size = np.array([[float(N)] for N, _ in layers])
    kept = np.array([sizes for _, sizes in layers], dtype=np.float64)
    keeps, moves = (size - kept) / size, kept / size
    factors = moves * ((size - kept) / np.maximum(size - 1.0, 1.0))
    mean, cov = np.zeros((len(layers), k + 1)), np.zeros((len(layers), k + 1, k + 1))
    mean[:, :1] = size
    for i in range(k):
        keep, move, v = (part[:, i, None, None] for part in (keeps, moves, factors))
        old = cov[:, : i + 1, : i + 1].copy()
        moved = v * (_spread(mean[:, : i + 1] / size, mean[:, : i + 1]) - old / size[..., None])
        cross = keep * move * old - moved
        cov[:, : i + 1, : i + 1] = keep * keep * old + moved
        cov[:, 1 : i + 2, 1 : i + 2] += move * move * old + moved
        cov[:, : i + 1, 1 : i + 2] += cross
        cov[:, 1 : i + 2, : i + 1] += cross
        leaving = mean * moves[:, i, None]
        mean *= keeps[:, i, None]
        mean[:, 1:] += leaving[:, :-1]
    return mean, cov


def _spread(share: Floats, mean: Floats) -> Floats:
    """Return diag(mean) - mean share' without cancellation on the diagonal, layer by layer."""
    spread = -share[:, :, None] * mean[:, None, :]
    others = np.zeros_like(mean)
    others[:, 1:] += np.cumsum(share[:, :-1], axis=1)
    others[:, :-1] += np.cumsum(share[:, :0:-1], axis=1)[:, ::-1]
    bins = np.arange(mean.shape[1])
    spread[:, bins, bins] = mean * others
    return spread


def _group_starts(mean: Floats) -> NDArray[np.intp]:
    """First bin of every group: ends merged inward until each group's mean reaches 5."""
    low = int(np.searchsorted(np.cumsum(mean), _MERGE_BELOW))
    high = mean.size - 1 - int(np.searchsorted(np.cumsum(mean[::-1]), _MERGE_BELOW))
    inner = np.arange(low + 1, max(high, low) + 1)
    return np.concatenate([np.zeros(1, np.intp), inner]).astype(np.intp)
