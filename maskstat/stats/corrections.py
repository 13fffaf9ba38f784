"""Many comparisons: adjusted p-values, fractions significant, and means over dependent pairs."""

from __future__ import annotations

import dataclasses
import math
from typing import Literal, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from maskstat.errors import UsageError

__all__ = [
    "Correction",
    "JackknifeMean",
    "SignificantFraction",
    "adjust",
    "family_size",
    "jackknife_runs",
    "significant_fraction",
]

Floats = NDArray[np.float64]
Correction = Literal["bh", "holm", "by", "none"]


def adjust(log10_p: ArrayLike, *, method: Correction = "bh") -> Floats:
    """Adjust log10 p for the size of its family.

    Parameters
    ----------
    log10_p
        Any shape; NaN is not a test (untestable) and stays NaN.
    method
        ``bh`` (Benjamini and Hochberg 1995) bounds the false discovery rate of independent or
        positively dependent tests, ``by`` (Benjamini and Yekutieli 2001) of any; ``holm``
        (Holm 1979) bounds the chance of one false positive; ``none``.

    Returns
    -------
    numpy.ndarray
        float64 of the same shape, at most 0.

    Raises
    ------
    UsageError
        If there is no such method.

    Examples
    --------
    >>> adjust([-3.0, -1.0, float("nan")]).round(4).tolist()
    [-2.699, -1.0, nan]
    """
    if method not in get_args(Correction):
        raise UsageError(
            f"there is no correction {method!r}",
            code="unknown-correction",
            consequence=f"there are: {', '.join(get_args(Correction))}",
        )
    given = np.asarray(log10_p, dtype=np.float64)
    tested = ~np.isnan(given)
    result = given.copy()
    m = int(tested.sum())
    if method == "none" or m == 0:
        return result
    values = given[tested]
    order = np.argsort(values, kind="stable")
    rank = np.arange(1, m + 1)
    if method == "holm":
        adjusted = np.maximum.accumulate(values[order] + np.log10(m - rank + 1))
    else:
        harmonic = math.log10(float((1.0 / rank).sum())) if method == "by" else 0.0
        scaled = values[order] + np.log10(m / rank) + harmonic
        adjusted = np.minimum.accumulate(scaled[::-1])[::-1]
    unsorted = np.empty(m)
    unsorted[order] = np.minimum(adjusted, 0.0)
    result[tested] = unsorted
    return result


def family_size(log10_p: ArrayLike) -> int:
    """Count the tests of a family; NaN is none.

    Parameters
    ----------
    log10_p
        Any shape.

    Returns
    -------
    int
        How many p-values `adjust` corrects for.

    Examples
    --------
    >>> family_size([-3.0, float("nan")])
    1
    """
    return int((~np.isnan(np.asarray(log10_p, dtype=np.float64))).sum())


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
