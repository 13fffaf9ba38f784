"""Families of dependent pairs: fractions significant, and means whose replicates are runs."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

from maskstat.errors import UsageError

__all__ = ["JackknifeMean", "SignificantFraction", "jackknife_runs", "significant_fraction"]

Floats = NDArray[np.float64]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class SignificantFraction:
    """Shares of a family outside their intervals, beside what chance alone would give.

    Parameters
    ----------
    tests
        Testable comparisons.
    above, below
        Share with an overlap above and below the interval; NaN without tests.
    expected_above, expected_below
        The same shares' expectations under the null.
    sd_above, sd_below
        Standard deviations of the shares under the null.
    """

    tests: int
    above: float
    below: float
    expected_above: float
    expected_below: float
    sd_above: float
    sd_below: float


def significant_fraction(
    x: ArrayLike,
    *,
    low: ArrayLike,
    high: ArrayLike,
    size_above: ArrayLike,
    size_below: ArrayLike,
    testable: ArrayLike = True,
) -> SignificantFraction:
    """Count the overlaps outside their intervals.

    Parameters
    ----------
    x
        Observed overlaps, one for each comparison.
    low, high
        Ends of the acceptance intervals (`pairtest.interval`).
    size_above, size_below
        Exact probabilities to fall outside under the null (`pairtest.exact_size`).
    testable
        False where nothing can be tested; such comparisons do not count.

    Returns
    -------
    SignificantFraction
        Observed shares, expected shares and standard deviations.

    Notes
    -----
    Expected is the mean of the exact sizes s, not the nominal level, and the variance is
    sum s (1 - s) / m^2: under the null the overlaps of the pairs of several masks are pairwise
    independent, though under a shared signal they are not.

    Examples
    --------
    >>> significant_fraction([9, 5], low=2, high=7, size_above=0.02, size_below=0.01).above
    0.5
    """
    arrays = np.broadcast_arrays(
        *(np.asarray(v, dtype=np.float64) for v in (x, low, high, size_above, size_below)),
        np.asarray(testable, dtype=np.bool_),
    )
    xs, lows, highs, s_above, s_below = (v[arrays[5]] for v in arrays[:5])
    m = xs.size

    def share(values: Floats) -> float:
        return float(values.mean()) if m else math.nan

    def sd(sizes: Floats) -> float:
        return math.sqrt(float((sizes * (1 - sizes)).sum())) / m if m else math.nan

    return SignificantFraction(
        tests=m,
        above=share((xs > highs).astype(np.float64)),
        below=share((xs < lows).astype(np.float64)),
        expected_above=share(s_above),
        expected_below=share(s_below),
        sd_above=sd(s_above),
        sd_below=sd(s_below),
    )


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class JackknifeMean:
    """A mean over pairs of runs with the standard error that its runs allow.

    Parameters
    ----------
    mean
        Mean over pairs; NaN without pairs.
    se
        Jackknife standard error over runs; NaN where leaving a run out can leave no pair.
    pairs, runs
        How many were used. The runs are the replicates: degrees of freedom are runs - 1.
    """

    mean: float
    se: float
    pairs: int
    runs: int


def jackknife_runs(values: ArrayLike, left: ArrayLike, right: ArrayLike) -> JackknifeMean:
    """Average over pairs of runs; the standard error leaves out one run at a time, never a pair.

    Parameters
    ----------
    values
        One value for each pair; NaN is left out.
    left, right
        Which runs make the pair: any labels that can be compared, of the same kind for both.

    Returns
    -------
    JackknifeMean
        Mean, standard error, and how many pairs and runs they rest on.

    Raises
    ------
    UsageError
        If there is not one label on each side for each value.

    Notes
    -----
    Pairs that share a run are dependent under any shared signal, so their spread says nothing
    about the mean. With m_i the mean without run i, se^2 = (R - 1)/R sum (m_i - mean of m)^2
    (Efron and Stein 1981).

    Examples
    --------
    >>> jackknife_runs([1.0, 2.0, 6.0], ["a", "a", "b"], ["b", "c", "c"])
    JackknifeMean(mean=3.0, se=3.055050463303893, pairs=3, runs=3)
    """
    given = np.asarray(values, dtype=np.float64).ravel()
    sides = [np.asarray(side).ravel() for side in (left, right)]
    if any(side.size != given.size for side in sides):
        raise UsageError("each value needs a run on each side", code="unequal-lengths")
    used = ~np.isnan(given)
    given = given[used]
    labels, codes = np.unique(np.concatenate([s[used] for s in sides]), return_inverse=True)
    first, second = codes.reshape(2, -1)
    runs, pairs = labels.size, given.size
    if not pairs:
        return JackknifeMean(mean=math.nan, se=math.nan, pairs=0, runs=0)
    center = given.mean()
    deviation = given - center
    other = np.where(first == second, 0, 1)  # a pair of a run with itself counts once
    total = np.bincount(first, deviation, runs) + np.bincount(second, deviation * other, runs)
    count = np.bincount(first, minlength=runs) + np.bincount(second, other, runs)
    remaining = pairs - count
    if runs < 3 or np.any(remaining == 0):
        se = math.nan
    else:
        without = (deviation.sum() - total) / remaining
        se = math.sqrt((runs - 1) / runs * float(((without - without.mean()) ** 2).sum()))
    return JackknifeMean(mean=float(center), se=se, pairs=pairs, runs=runs)
