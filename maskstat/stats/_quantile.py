"""Where a tail of a lattice law reaches a level."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike, NDArray

from maskstat.errors import UsageError
from maskstat.stats._stirling import log1mexp

__all__ = ["TIE", "first_above", "log_level", "log_levels", "lower_quantile"]

Floats = NDArray[np.float64]

# A tail that equals its level exactly (1/40 at alpha = 0.05) must count as reached whatever the
# last bits of its logarithm say.
TIE = 1e-12


def log_level(alpha: float) -> float:
    """Return ln alpha, or refuse a level that is none."""
    if not 0.0 < alpha < 1.0:
        raise UsageError(
            f"alpha is {alpha}", code="bad-alpha", consequence="a level lies between 0 and 1"
        )
    return math.log(alpha)


def log_levels(alpha: ArrayLike) -> Floats:
    """Return ln alpha of one or several levels, or refuse one that is none."""
    levels = np.asarray(alpha, dtype=np.float64)
    return np.array([log_level(float(value)) for value in levels.flat]).reshape(levels.shape)


def lower_quantile(mean: Floats, variance: Floats, third: Floats, level: Floats) -> Floats:
    """Guess by Cornish and Fisher where a lower tail reaches e**level, row by row."""
    levels, row = np.unique(level, return_inverse=True)
    z = np.array([_normal_quantile(float(value)) for value in levels])[row]
    sd = np.sqrt(variance)
    skewness = third / np.maximum(variance * sd, 1e-300)
    return np.asarray(np.rint(mean + sd * (z + skewness * (z * z - 1) / 6)))


@functools.cache
def _normal_quantile(log_p: float) -> float:
    """Return z with ln P(Z <= z) = log_p, good enough to start a search from."""
    if log_p > -700.0:
        low, high = -40.0, 9.0
        for _ in range(60):
            middle = 0.5 * (low + high)
            reached = 0.5 * math.erfc(-middle / math.sqrt(2.0)) > math.exp(log_p)
            low, high = (low, middle) if reached else (middle, high)
        return low
    return -math.sqrt(-2 * log_p - math.log(-4 * math.pi * log_p))


def first_above(
    tail: Callable[[NDArray[np.intp], Floats], tuple[Floats, Floats]],
    start: Floats,
    low: Floats,
    high: Floats,
    level: Floats,
) -> Floats:
    """Return, row by row, the smallest v whose lower tail exceeds e**level.

    Parameters
    ----------
    tail
        Gives ln P(X <= v) and ln P(X = v) for some rows and one v for each.
    start
        First guess.
    low, high
        The support; P(X <= high) is 1.
    level
        Natural logarithms, one a row.

    Returns
    -------
    numpy.ndarray
        float64, whole numbers.

    Notes
    -----
    Newton's method on the log tail inside a bracket; one evaluation also tells the tail at v - 1.
    """
    beyond = level + TIE
    reached, short = high.copy(), low - 1
    guess = np.clip(start, low, np.maximum(high - 1, low))
    steps = 0
    left = np.flatnonzero(reached - short > 1)
    while left.size:
        v = guess[left]
        log_tail, at_v = tail(left, v)
        ratio = np.minimum(at_v - log_tail, 0.0)
        with np.errstate(divide="ignore"):
            before = log_tail + log1mexp(ratio)
        ok, ok_before = log_tail > beyond[left], before > beyond[left]
        reached[left] = np.where(ok_before, v - 1, np.where(ok, v, reached[left]))
        short[left] = np.where(ok_before, short[left], np.where(ok, v - 1, v))
        steps += 1
        with np.errstate(over="ignore", invalid="ignore"):
            newton = v + np.ceil((level[left] - log_tail) * np.exp(-ratio))
        middle = np.floor((reached[left] + short[left]) / 2)
        next_ = newton if steps <= 12 else middle
        next_ = np.where(np.isfinite(next_), next_, middle)
        guess[left] = np.clip(next_, short[left] + 1, reached[left] - 1)
        left = left[reached[left] - short[left] > 1]
    return reached
