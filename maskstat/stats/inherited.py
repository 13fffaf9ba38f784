"""The null `inherit`: what two masks share, given what their previous iterations shared.

Iterative pruning only removes, so an overlap may be merely what is left of an earlier one. Here
each new mask is uniform inside its own previous mask, and the previous overlap is taken as given:
does the step itself make overlap?
"""

from __future__ import annotations

import math
from fractions import Fraction
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from numpy.typing import NDArray

from maskstat.stats.hypergeometric import log_pmf
from maskstat.stats.independent_sum import Law, Sample, sum_log_tails
from maskstat.stats.lattice import (
    REACH_CELLS,
    REACH_SD,
    LogTails,
    Mixture,
    across,
    outside,
    tail_range,
    thinned,
)
from maskstat.stats.mask_sizes import LARGEST_SIZE, checked_count
from maskstat.stats.multiway import Cumulants, cumulants_from_factorial_moments
from maskstat.stats.roots import increasing_root

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = [
    "InheritedLaw",
    "inherited_cumulants",
    "inherited_log_tails",
    "total_inherited_log_tails",
]

Floats: TypeAlias = NDArray[np.float64]
Margins: TypeAlias = tuple[int, int, int, int, int]
"""(c, a, b, a_next, b_next)."""


def inherited_cumulants(c: int, a: int, b: int, a_next: int, b_next: int) -> Cumulants:
    """Return the exact cumulants of the next overlap given the previous one.

    Parameters
    ----------
    c
        Weights that both masks kept at the previous iteration.
    a, b
        Weights that each kept then.
    a_next, b_next
        Weights that each keeps now.

    Returns
    -------
    Cumulants
        Mean c a' b' / (a b), variance, third and fourth, as fractions.

    Raises
    ------
    UsageError
        The overlap is larger than a mask, or a mask has grown.

    Notes
    -----
    E[X (X-1) ... (X-r+1)] = (c)_r (a')_r (b')_r / ((a)_r (b)_r), (n)_r the falling factorial.

    Examples
    --------
    >>> float(inherited_cumulants(10, 20, 30, 16, 24).mean)
    6.4
    """
    c, a, b, a_next, b_next = _checked(c, a, b, a_next, b_next)
    moments = []
    for r in range(1, 5):
        cells = math.perm(a, r) * math.perm(b, r)
        ways = math.perm(c, r) * math.perm(a_next, r) * math.perm(b_next, r)
        moments.append(Fraction(ways, cells) if cells else Fraction(0))
    return cumulants_from_factorial_moments(*moments)


def inherited_log_tails(x: int, c: int, a: int, b: int, a_next: int, b_next: int) -> LogTails:
    """Return the exact tails of the next overlap given the previous one.

    Parameters
    ----------
    x
        Weights that both masks keep now.
    c
        Weights that both kept at the previous iteration.
    a, b
        Weights that each kept then.
    a_next, b_next
        Weights that each keeps now.

    Returns
    -------
    LogTails
        ``(ln P(X <= x), ln P(X >= x), ln P(X = x))``.

    Raises
    ------
    UsageError
        The overlap is larger than a mask, or a mask has grown.

    Notes
    -----
    The first mask keeps m of the c shared weights, m ~ Hyp(a, c, a'), and of those the second
    keeps X ~ Hyp(b, m, b'). The sum over m runs over a thinned lattice, exact to about 1e-13 of
    the logarithm at any size. The layer's own size does not enter.

    Examples
    --------
    >>> tails = inherited_log_tails(1, 1, 2, 2, 1, 1)
    >>> round(math.exp(tails.ge), 12)
    0.25
    """
    law = InheritedLaw(*_checked(c, a, b, a_next, b_next))
    return law.log_tails(checked_count(x, "overlap", low=None))


def total_inherited_log_tails(x: int, layers: Iterable[Margins]) -> LogTails:
    """Return the exact tails of the next overlap summed over independent layers.

    Parameters
    ----------
    x
        Weights that both masks keep now, in all layers together.
    layers
        For each layer ``(c, a, b, a_next, b_next)`` as in `inherited_log_tails`.

    Returns
    -------
    LogTails
        ``(ln P(X <= x), ln P(X >= x), ln P(X = x))``.

    Raises
    ------
    UsageError
        An overlap is larger than a mask, or a mask has grown.

    Examples
    --------
    >>> tails = total_inherited_log_tails(2, [(1, 2, 2, 1, 1), (1, 2, 2, 1, 1)])
    >>> round(math.exp(tails.ge), 12)
    0.0625
    """
    laws = [InheritedLaw(*_checked(*layer)) for layer in layers]
    return sum_log_tails(checked_count(x, "overlap", low=None), laws)


class InheritedLaw(Law):
    """The law of the next overlap of one layer given the previous one.

    Parameters
    ----------
    c, a, b, a_next, b_next
        Checked counts as in `inherited_log_tails`.
    """

    def __init__(self, c: int, a: int, b: int, a_next: int, b_next: int) -> None:
        if a_next * b < b_next * a:  # the mask that keeps the larger part goes first
            a, b, a_next, b_next = b, a, b_next, a_next
        self.c, self.a, self.b, self.a_next, self.b_next = c, a, b, a_next, b_next
        self.lowest = max(0, c - (a - a_next) - (b - b_next))
        self.highest = min(c, a_next, b_next)

    def centre(self, tilt: float) -> tuple[float, float]:
        """Return about the mean and sd of the law when every x is weighted by exp(tilt x)."""
        m, x = self._most_likely(tilt)
        return x, self._spread(m, x)[1]

    def sample(self, tilt: float) -> Sample:
        """Return the law where the tilted law has mass."""
        m, centre = self._most_likely(tilt)
        x, step = self.tilted_lattice(centre, self._spread(m, centre)[1])
        mixture = self._mixture(centre, x[0], x[-1])
        return Sample(x, mixture.log_pmf(x) + math.log(step))

    def log_tails(self, x: int) -> LogTails:
        """Return the tails at x."""
        trivial = outside(x, self.lowest, self.highest)
        if trivial is not None:
            return trivial
        at = self.inside(x)
        m = self._m_given(at)
        tilt = self._tilt(m, at)
        low, high = tail_range(x, tilt, self._spread(m, at)[1])
        return self._mixture(x, low, high).tails(x, upper=tilt > 0)

    def _mixture(self, x: float, low: float, high: float) -> Mixture:
        """Return the law of m, as far as it matters for X from low to high."""
        starts, stops, sds = [], [], []
        for at, share in across(x, low, high):
            m = self._m_given(self.inside(at))
            sd = self._spread(m, self.inside(at))[0]
            reach = share * REACH_SD * sd + REACH_CELLS
            starts.append(m - reach)
            stops.append(m + reach)
            sds.append(sd)
        lowest, highest = self._m_range()
        start = max(math.floor(min(starts)), lowest)
        stop = min(math.ceil(max(stops)), highest)
        points, step = thinned(start, stop, min(sds))
        log_weight = log_pmf(points, self.a, self.c, self.a_next) + math.log(step)
        return Mixture(points, log_weight, float(self.b), float(self.b_next))

    def _m_range(self) -> tuple[int, int]:
        return max(0, self.c - (self.a - self.a_next)), min(self.c, self.a_next)

    def _slope(self, m: float, x: float) -> float:
        """Return a number with the sign of minus d ln P(m, x) / dm, increasing in m."""
        gain = (self.c - m) * (self.a_next - m) * (self.b - self.b_next - m + x)
        loss = (self.a - self.c - self.a_next + m) * (m - x) * (self.b - m)
        return loss - gain

    def _m_given(self, x: float) -> float:
        """Return the most likely m given x."""
        lowest, highest = self._m_range()
        start = max(float(lowest), x)
        stop = min(float(highest), self.b - self.b_next + x)
        return increasing_root(lambda m: self._slope(m, x), start, stop)

    def _most_likely(self, tilt: float) -> tuple[float, float]:
        """Return the most likely m and x when every x is weighted by exp(tilt x)."""
        lowest, highest = self._m_range()
        m = increasing_root(
            lambda m: self._slope(m, self._x_given(m, tilt)), float(lowest), float(highest)
        )
        return m, self._x_given(m, tilt)

    def _x_given(self, m: float, tilt: float) -> float:
        """Solve exp(tilt) (m - x) (b' - x) = x (b - m - b' + x), the mode of a tilted pair law."""
        shrink = math.exp(-abs(tilt))
        both, neither = m + self.b_next, self.b - m - self.b_next
        product = m * self.b_next
        if tilt >= 0:
            half = both + shrink * neither
            root = math.sqrt(max(half * half - 4.0 * (1.0 - shrink) * product, 0.0))
            x = 2.0 * product / (half + root) if product else 0.0
        else:
            half = shrink * both + neither
            root = math.sqrt(half * half + 4.0 * (1.0 - shrink) * shrink * product)
            if half > 0:
                x = 2.0 * shrink * product / (half + root)
            else:
                x = (root - half) / (2.0 * (1.0 - shrink))
        return min(max(x, 0.0, -neither), m, float(self.b_next))

    def _tilt(self, m: float, x: float) -> float:
        """Return minus the slope of ln P in x."""
        up = x * (self.b - m - self.b_next + x)
        down = (m - x) * (self.b_next - x)
        return math.log(max(up, 1e-300)) - math.log(max(down, 1e-300))

    def _spread(self, m: float, x: float) -> tuple[float, float]:
        """Return the sd of m given x, and of x, from the curvature of ln P(m, x)."""
        link = _inverse(m - x) + _inverse(self.b - m - self.b_next + x)
        of_m = (
            _inverse(self.c - m)
            + _inverse(self.a_next - m)
            + _inverse(self.a - self.c - self.a_next + m)
            + link
            - _inverse(self.b - m)
        )
        of_x = _inverse(x) + _inverse(self.b_next - x) + link
        determinant = max(of_m * of_x - link * link, 1e-300)
        return 1.0 / math.sqrt(of_m), math.sqrt(of_m / determinant)


def _inverse(cells: float) -> float:
    return 1.0 / max(cells, 0.5)


def _checked(c: int, a: int, b: int, a_next: int, b_next: int) -> Margins:
    a = checked_count(a, "kept by A before", high=LARGEST_SIZE)
    b = checked_count(b, "kept by B before", high=LARGEST_SIZE)
    return (
        checked_count(c, "previous overlap", high=min(a, b)),
        a,
        b,
        checked_count(a_next, "kept by A now", high=a),
        checked_count(b_next, "kept by B now", high=b),
    )
