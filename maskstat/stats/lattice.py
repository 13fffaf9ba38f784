"""Sums of smooth log-concave probabilities over thinned lattices, and tails put together from them.

A sum over integers of terms like a sum of independent coin flips, with standard deviation s, may be
taken over every h-th integer, times h: the relative error is the terms' characteristic function at
2 pi / h, at most exp(-s^2 (1 - cos(2 pi / h))).
"""

from __future__ import annotations

import math
from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from maskstat.stats._stirling import log1mexp
from maskstat.stats.hypergeometric import log_pmf, log_tails

__all__ = ["LogTails", "Mixture", "join_tails", "log_sum", "outside", "thinned"]

Floats: TypeAlias = NDArray[np.float64]

_THINNING = 45.0  # a thinned sum may be wrong by e**-45


class LogTails(NamedTuple):
    """Natural logarithms of the probabilities of a count X at x.

    Parameters
    ----------
    le
        ln P(X <= x).
    ge
        ln P(X >= x).
    eq
        ln P(X = x).
    """

    le: float
    ge: float
    eq: float


class Mixture(NamedTuple):
    """X is Hyp(population, m, draws) with a random m, given on a lattice.

    Parameters
    ----------
    m : float64 (n,)
        Lattice points.
    log_weight : float64 (n,)
        ln of P(m) times the lattice's step.
    population, draws
        Of the hypergeometric law of X given m.
    """

    m: Floats
    log_weight: Floats
    population: float
    draws: float

    def log_pmf(self, x: Floats) -> Floats:
        """Return ln P(X = x) for x of shape (q,)."""
        given_m = log_pmf(x[None, :], self.population, self.m[:, None], self.draws)
        return log_sum(self.log_weight[:, None] + given_m)

    def tails(self, x: float, *, below: bool, above: bool) -> LogTails:
        """Return the tails at x, summing P(X < x) and P(X > x) only where asked.

        A side that is not asked for has to be nearly certain.
        """
        log_below = log_above = 0.0
        if below:
            log_below = self._log_mean(log_tails(x - 1, self.population, self.m, self.draws)[0])
        if above:
            log_above = self._log_mean(log_tails(x + 1, self.population, self.m, self.draws)[1])
        return join_tails(log_below, float(self.log_pmf(np.array([x]))[0]), log_above)

    def _log_mean(self, log_values: Floats) -> float:
        return float(log_sum(self.log_weight + log_values))


def outside(x: float, low: float, high: float) -> LogTails | None:
    """Return the tails where they need no sum: off the support, or the support is one point.

    Parameters
    ----------
    x
        Where.
    low, high
        Smallest and largest possible value.

    Returns
    -------
    LogTails or None
        None where P(X = x) has to be computed.
    """
    if x < low:
        return LogTails(-math.inf, 0.0, -math.inf)
    if x > high:
        return LogTails(0.0, -math.inf, -math.inf)
    return LogTails(0.0, 0.0, 0.0) if low == high else None


def join_tails(log_below: float, log_at: float, log_above: float) -> LogTails:
    """Return the tails that include x from P(X < x), P(X = x) and P(X > x).

    Parameters
    ----------
    log_below, log_at, log_above
        Natural logarithms; of the first and the last, one may be 0 (nearly certain, not computed).

    Returns
    -------
    LogTails
        Either tail is the sum of its parts or one minus its complement, whichever is smaller, so
        that both logarithms keep their relative accuracy.

    Examples
    --------
    >>> import math
    >>> tails = join_tails(math.log(0.25), math.log(0.25), math.log(0.5))
    >>> round(math.exp(tails.le), 12), round(math.exp(tails.ge), 12)
    (0.5, 0.75)
    """
    to_x = float(np.logaddexp(log_below, log_at))
    from_x = float(np.logaddexp(log_at, log_above))
    le = to_x if to_x <= log_above else _complement(log_above)
    ge = from_x if from_x <= log_below else _complement(log_below)
    return LogTails(min(0.0, le), min(0.0, ge), min(0.0, float(log_at)))


def log_sum(log_terms: Floats) -> Floats:
    """Return ln of the sum of exponentials along the first axis.

    Parameters
    ----------
    log_terms : float64 (n, ...)
        Minus infinity is a term of 0.

    Returns
    -------
    numpy.ndarray
        float64 (...).
    """
    top = np.max(log_terms, axis=0)
    shift = np.where(np.isfinite(top), top, 0.0)
    with np.errstate(divide="ignore"):
        return np.asarray(shift + np.log(np.exp(log_terms - shift).sum(axis=0)))


def thinned(start: float, stop: float, sd: float, *, bandwidth: float = 0.0) -> tuple[Floats, float]:
    """Return the lattice points from start to stop that a sum needs, and their step.

    Parameters
    ----------
    start, stop
        Whole numbers, both included as far as the step allows.
    sd
        Standard deviation of the narrowest term to be summed.
    bandwidth
        Largest frequency w, in radians, of a factor exp(i w x) that the terms will get.

    Returns
    -------
    tuple
        Points, float64 (n,), and the step: 1 for narrow terms.

    Examples
    --------
    >>> points, step = thinned(0, 20, 12.0)
    >>> points.tolist(), step
    ([0.0, 7.0, 14.0], 7.0)
    """
    cosine = 1.0 - _THINNING / (sd * sd) if sd > 0 else -math.inf
    step = 2.0 * math.pi / (math.acos(cosine) + bandwidth) if cosine > -1 else 1.0
    step = max(1.0, float(math.floor(step)))
    return np.arange(start, stop + 1.0, step), step


def _complement(log_p: float) -> float:
    return float(log1mexp(np.float64(log_p)))
