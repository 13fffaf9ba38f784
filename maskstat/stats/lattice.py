"""Sums of smooth log-concave probabilities over thinned lattices, and tails put together from them.

A sum over integers of terms like a sum of independent coin flips, with standard deviation s, may be
taken over every h-th integer, times h: the relative error is the terms' characteristic function at
2 pi / h, at most exp(-s^2 (1 - cos(2 pi / h))).
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from maskstat.stats._stirling import log1mexp
from maskstat.stats.hypergeometric import log_pmf, log_tails

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = [
    "REACH_CELLS",
    "REACH_SD",
    "LogTails",
    "Mixture",
    "across",
    "join_tails",
    "log_sum",
    "outside",
    "tail_range",
    "thinned",
]

Floats: TypeAlias = NDArray[np.float64]

REACH_SD = 9.2
"""Half-width of a window: e**-42 of a Gaussian is outside."""

REACH_CELLS = 20.0
"""And so much more, for laws as skew as a Poisson."""

_REACH_LOG = 40.0
_LOG_HALF = -math.log(2.0)
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

    def tails(self, x: float, *, upper: bool) -> LogTails:
        """Return the tails at x, where `upper` says that x is above the mode."""

        def below() -> float:
            log_le, _ = log_tails(x - 1, self.population, self.m, self.draws)
            return float(log_sum(self.log_weight + log_le))

        def above() -> float:
            _, log_ge = log_tails(x + 1, self.population, self.m, self.draws)
            return float(log_sum(self.log_weight + log_ge))

        return join_tails(float(self.log_pmf(np.array([x]))[0]), below, above, upper=upper)


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


def join_tails(
    log_at: float, below: Callable[[], float], above: Callable[[], float], *, upper: bool
) -> LogTails:
    """Return the tails that include x from P(X < x), P(X = x) and P(X > x).

    Parameters
    ----------
    log_at
        ln P(X = x).
    below, above
        Compute ln P(X < x) and ln P(X > x); the one across the mode only where it is below 1/2.
    upper
        Whether x is above the mode.

    Returns
    -------
    LogTails
        Each is the sum of its parts or one minus its complement, whichever is smaller, so that
        all three logarithms keep their relative accuracy.

    Examples
    --------
    >>> quarter, half = math.log(0.25), math.log(0.5)
    >>> tails = join_tails(quarter, lambda: quarter, lambda: half, upper=False)
    >>> round(math.exp(tails.le), 12), round(math.exp(tails.ge), 12)
    (0.5, 0.75)
    """
    outward, inward = (above, below) if upper else (below, above)
    log_beyond = outward()
    log_up_to = _complement(log_beyond)
    log_from = float(np.logaddexp(log_at, log_beyond))
    if log_from > _LOG_HALF:
        log_within = inward()
        log_from = _complement(log_within)
        if log_at > _LOG_HALF:
            log_at = _complement(float(np.logaddexp(log_within, log_beyond)))
    le, ge = (log_up_to, log_from) if upper else (log_from, log_up_to)
    return LogTails(min(0.0, le), min(0.0, ge), min(0.0, log_at))


def tail_range(x: float, tilt: float, sd: float) -> tuple[float, float]:
    """Return the values of X that matter for its tails at x.

    Parameters
    ----------
    x
        Where.
    tilt
        Minus the slope of ln P(X = x).
    sd
        Standard deviation of the law tilted to x.

    Returns
    -------
    tuple of float
        Lowest and highest: outward until the tail has ended, and across the mode too, unless that
        is so far away that the mass there is nearly all.
    """
    reach = REACH_SD * sd + REACH_CELLS
    outward = min(reach, _REACH_LOG / abs(tilt) + 2.0) if tilt else reach
    inward = 1.0 if abs(tilt) * sd * sd > 2.5 * sd + REACH_CELLS else reach
    return (x - inward, x + outward) if tilt > 0 else (x - outward, x + inward)


def across(x: float, low: float, high: float) -> Iterator[tuple[float, float]]:
    """Cover an ellipse of X and a hidden size around x at five values of X.

    Parameters
    ----------
    x, low, high
        Centre and ends.

    Yields
    ------
    tuple of float
        A value of X and the half-width that the ellipse has there, as a share of the largest.
    """
    for way, share in ((-1.0, 0.0), (-0.71, 0.71), (0.0, 1.0), (0.71, 0.71), (1.0, 0.0)):
        yield x + way * ((high - x) if way > 0 else (x - low)), share


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


def thinned(
    start: float, stop: float, sd: float, *, bandwidth: float = 0.0
) -> tuple[Floats, float]:
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
        Points, float64 (n,), and the step, a power of two: 1 for narrow terms.

    Examples
    --------
    >>> points, step = thinned(0, 20, 12.0)
    >>> points.tolist(), step
    ([0.0, 4.0, 8.0, 12.0, 16.0, 20.0], 4.0)
    """
    cosine = 1.0 - _THINNING / (sd * sd) if sd > 0 else -math.inf
    step = 2.0 * math.pi / (math.acos(cosine) + bandwidth) if cosine > -1 else 1.0
    step = 2.0 ** math.floor(math.log2(max(step, 1.0)))
    return np.arange(start, stop + 1.0, step), step


def _complement(log_p: float) -> float:
    return float(log1mexp(np.asarray(log_p)))
