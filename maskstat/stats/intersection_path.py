"""The most likely way to an intersection of k masks of which exactly x weights are shared by all.

Give the weights of a layer of N independent votes, mask i keeping one with odds z_i, and let a
weight that all masks keep count e^tilt times as much. The odds that reproduce the masks' sizes form
a family with one parameter r > -1, in which everything is explicit: with
p_i = n_i/N - r (1 - n_i/N) and P = p_1 ... p_k,

    x = N (r + P) / (1 + r),  tilt = ln((r + P) / P),
    |M_1 & ... & M_i| = N (r + p_1 ... p_i) / (1 + r);

r = 0 is the null itself. Exact tails need this only to know where their sums have mass.
"""

from __future__ import annotations

import math
from itertools import accumulate
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from maskstat.stats.roots import increasing_roots

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["IntersectionPaths", "Paths"]

Floats: TypeAlias = NDArray[np.float64]

_SMALLEST = 1e-300
_LOWEST_R = -1.0 + 2.0**-52
_LOWEST_V, _HIGHEST_V = -700.0, 40.0


class Paths(NamedTuple):
    """The most likely running intersections on the way to given ones.

    Parameters
    ----------
    running : float64 (p, k)
        Sizes of M_1, M_1 & M_2, ..., down to x; not whole numbers.
    tilt : float64 (p,)
        Minus the slope of ln P(X = x).
    sd : float64 (p,)
        Standard deviation of X under that tilt, about.
    """

    running: Floats
    tilt: Floats
    sd: Floats


class IntersectionPaths:
    """Paths to the intersection of k masks, in one layer or in several at once.

    Parameters
    ----------
    layers
        For each layer its number of weights N and the masks' sizes in the order of the path; at
        least two, none of them 0 or N. Where a layer has fewer than others, masks that keep
        everything go first.
    """

    def __init__(self, *layers: tuple[int, Sequence[int]]) -> None:
        k = max(len(sizes) for _, sizes in layers)
        padded = [(N, (N,) * (k - len(sizes)) + tuple(sizes)) for N, sizes in layers]
        self._N = np.array([float(N) for N, _ in layers])
        self._into = np.array([sizes[1:] for _, sizes in padded], dtype=np.float64)
        self._kept = np.array([[n / N for n in sizes] for N, sizes in padded])
        self._dropped = np.array([[(N - n) / N for n in sizes] for N, sizes in padded])
        self._null = self._kept.prod(axis=1)
        self._log_null = np.log(self._kept).sum(axis=1)
        self._largest_r = self._kept.min(axis=1) / self._dropped.max(axis=1)

    def to(self, x: Floats) -> Paths:
        """Return the paths to x, strictly inside the support: one a layer, or several in the one.

        Notes
        -----
        r + P - (1 + r) x/N is convex in r and 0 at r = -1 too. From the right of the other root,
        where the null (x below its mean) and P = 0 (above) are, Newton's method cannot overshoot.
        """
        share, rest = x / self._N, (self._N - x) / self._N

        def above(r: Floats) -> tuple[Floats, Floats]:
            p = self._factors(r)
            product = p.prod(axis=1)
            return r * rest + (product - share), rest - product * self._odds(p)

        start = np.where(share > self._null, np.minimum(share / rest, self._largest_r), 0.0)
        return self._paths(increasing_roots(above, start, _LOWEST_R, self._largest_r))

    def under(self, tilt: float) -> Paths:
        """Return a path a layer when every weight in the intersection counts e^tilt times."""
        if tilt > 0:
            return self._paths(self._r_above(tilt))
        return self._paths(self._r_below(tilt) if tilt else np.zeros_like(self._N))

    def hidden_spread(self, running: Floats) -> tuple[Floats, Floats]:
        """Return the sds of the levels between the first and x, given x and given the neighbours.

        Parameters
        ----------
        running : float64 (p, k)
            Of at least three masks.

        Returns
        -------
        tuple of numpy.ndarray
            float64 (p, k - 2).

        Notes
        -----
        From the curvature of the log probability of a chain of hypergeometric laws in its hidden
        levels: a symmetric tridiagonal, diagonally dominant matrix. It is the conductance of a row
        of resistors, each node leaking a little, both ends grounded. Empty cells count as half a
        weight.
        """
        N = self._N[:, None]
        before, after = running[:, :-1], running[:, 1:]
        hidden = running[:, 1:-1]
        link = _inverse(before - after) + _inverse(N - before - self._into + after)
        leak = np.maximum(_inverse(self._into[:, :-1] - hidden) - _inverse(N - hidden), 0.0)
        left = _grounded(link[:, :-1], leak)
        right = _grounded(link[:, :0:-1], leak[:, ::-1])[:, ::-1]
        given_neighbours = link[:, :-1] + link[:, 1:] + leak
        return 1.0 / np.sqrt(left + right + leak), 1.0 / np.sqrt(given_neighbours)

    def _factors(self, r: Floats) -> Floats:
        """Return p_1, ..., p_k at each r, float64 (p, k)."""
        return np.asarray(np.maximum(self._kept - r[:, None] * self._dropped, _SMALLEST))

    def _odds(self, p: Floats) -> Floats:
        """Return minus the slope of ln P in r."""
        return np.asarray((self._dropped / p).sum(axis=1))

    def _r_below(self, tilt: float) -> Floats:
        """Solve -r = (1 - e^tilt) P: concave in -r, so that Newton's method cannot overshoot."""
        lack = -math.expm1(tilt)

        def above(s: Floats) -> tuple[Floats, Floats]:
            p = self._factors(-s)
            product = lack * p.prod(axis=1)
            return s - product, 1.0 - product * self._odds(p)

        return -increasing_roots(above, np.zeros_like(self._N), 0.0, -_LOWEST_R)

    def _r_above(self, tilt: float) -> Floats:
        """Solve r = (e^tilt - 1) P on the scale of logarithms, where r/R is logistic in v."""
        log_gain = tilt + math.log(-math.expm1(-tilt))
        log_R = np.log(self._largest_r)

        def above(v: Floats) -> tuple[Floats, Floats]:
            e = np.exp(-np.abs(v))
            log_r = log_R - np.log1p(e) + np.minimum(v, 0.0)
            r = np.exp(log_r)
            p = self._factors(r)
            left = np.where(v < 0, 1.0, e) / (1.0 + e)  # 1 - r / R
            return log_r - np.log(p).sum(axis=1) - log_gain, (1.0 + r * self._odds(p)) * left

        start = np.clip(log_gain + self._log_null - log_R, _LOWEST_V, 0.0)
        v = increasing_roots(above, start, _LOWEST_V, _HIGHEST_V)
        return np.asarray(self._largest_r / (1.0 + np.exp(-v)))

    def _tilt(self, r: Floats, factors: Floats) -> Floats:
        """Return ln((r + P) / P), also where P underflows."""
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            log_ratio = np.log(np.abs(r)) - np.log(factors).sum(axis=1)
            below = np.log1p(-np.exp(np.minimum(log_ratio, 0.0)))
        return np.asarray(np.where(r < 0, below, np.logaddexp(0.0, log_ratio)))

    def _paths(self, r: Floats) -> Paths:
        factors = self._factors(r)
        products = np.cumprod(factors, axis=1)
        product, whole = products[:, -1], 1.0 + r
        odds = self._odds(factors)
        spread = (1.0 - product - product * odds * whole) * (r + product)
        with np.errstate(over="ignore"):
            variance = self._N * spread / (whole * whole * (1.0 + r * odds))
        return Paths(
            running=(self._N / whole)[:, None] * (r[:, None] + products),
            tilt=self._tilt(r, factors),
            sd=np.sqrt(np.where(spread > 0, np.maximum(variance, 0.0), 0.0)),
        )


def _inverse(cells: Floats) -> Floats:
    return 1.0 / np.maximum(cells, 0.5)


def _grounded(link: Floats, leak: Floats) -> Floats:
    """Return the conductance from every node to the ground through the links before it."""
    rows = []
    for links, leaks in zip(link.tolist(), leak.tolist(), strict=True):
        first, *others = links
        steps = zip(others, leaks, strict=False)
        row = accumulate(steps, lambda c, s: s[0] * (c + s[1]) / (s[0] + c + s[1]), initial=first)
        rows.append(list(row))
    return np.array(rows)
