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
from dataclasses import dataclass
from itertools import accumulate
from operator import mul
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from numpy.typing import NDArray

from maskstat.stats.roots import increasing_root

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["IntersectionPaths", "Path"]

Floats: TypeAlias = NDArray[np.float64]

_SMALLEST = 1e-300
_SMALLEST_R = 1e-25
_LOWEST_R = -1.0 + 2.0**-52


@dataclass(frozen=True, slots=True, kw_only=True)
class Path:
    """The most likely running intersections on the way to a given one.

    Parameters
    ----------
    running : float64 (k,)
        Sizes of M_1, M_1 & M_2, ..., down to x; not whole numbers.
    tilt
        Minus the slope of ln P(X = x).
    sd
        Standard deviation of X under that tilt, about.
    """

    running: Floats
    tilt: float
    sd: float


class IntersectionPaths:
    """Paths to the intersection of k masks in a layer of N weights.

    Parameters
    ----------
    N
        Weights in the layer.
    sizes
        Weights kept by each mask, in the order of the path; at least two, none of them 0 or N.
    """

    def __init__(self, N: int, sizes: tuple[int, ...]) -> None:
        self.N = float(N)
        self.sizes = sizes
        self._kept = [n / N for n in sizes]
        self._dropped = [(N - n) / N for n in sizes]
        self._largest_r = min(self._kept) / max(self._dropped)

    def to(self, x: float) -> Path:
        """Return the path to x, a number strictly inside the support."""
        above = x > self._intersection(0.0)
        return self._path(self._root(lambda r: self._intersection(r) - x, above=above))

    def under(self, tilt: float) -> Path:
        """Return the path when every weight in the intersection counts e^tilt times."""
        above = tilt > 0
        return self._path(self._root(lambda r: self._tilt(r) - tilt, above=above) if tilt else 0.0)

    def hidden_spread(self, running: Floats) -> tuple[Floats, Floats]:
        """Return the sds of the levels between the first and x, given x and given the neighbours.

        Notes
        -----
        From the curvature of the log probability of a chain of hypergeometric laws in its hidden
        levels: a symmetric tridiagonal, diagonally dominant matrix. Empty cells count as half a
        weight.
        """
        before, m, after = running[:-2], running[1:-1], running[2:]
        n = np.array(self.sizes[1:], dtype=np.float64)
        into, onward = n[:-1], n[1:]
        link = _inverse(m - after) + _inverse(self.N - m - onward + after)
        diagonal = (
            _inverse(before - m)
            + _inverse(into - m)
            + _inverse(self.N - before - into + m)
            + link
            - _inverse(self.N - m)
        )
        curvature = np.diag(diagonal) - np.diag(link[:-1], 1) - np.diag(link[:-1], -1)
        given_x = np.sqrt(np.diag(np.linalg.inv(curvature)))
        return given_x, 1.0 / np.sqrt(diagonal)

    def _root(self, function: Callable[[float], float], *, above: bool) -> float:
        if above:
            return increasing_root(function, _SMALLEST_R, self._largest_r, geometric=True)
        return increasing_root(function, _LOWEST_R, 0.0)

    def _factors(self, r: float) -> list[float]:
        """Return p_1, ..., p_k at r."""
        return [
            max(kept - r * dropped, _SMALLEST)
            for kept, dropped in zip(self._kept, self._dropped, strict=True)
        ]

    def _intersection(self, r: float) -> float:
        return self.N * (r + math.prod(self._factors(r))) / (1.0 + r)

    def _tilt(self, r: float) -> float:
        if r == 0.0:
            return 0.0
        log_ratio = math.log(abs(r)) - sum(math.log(p) for p in self._factors(r))
        if r < 0:
            return math.log1p(-math.exp(log_ratio)) if log_ratio < 0 else -math.inf
        return (
            log_ratio + math.log1p(math.exp(-log_ratio))
            if log_ratio > 0
            else math.log1p(math.exp(log_ratio))
        )

    def _path(self, r: float) -> Path:
        factors = self._factors(r)
        products = list(accumulate(factors, mul))
        product, whole = products[-1], 1.0 + r
        running = np.array([self.N * (r + p) / whole for p in products])
        odds = sum(dropped / p for dropped, p in zip(self._dropped, factors, strict=True))
        spread = (1.0 - product - product * odds * whole) * (r + product)
        variance = self.N * spread / (whole * whole * (1.0 + r * odds)) if spread > 0 else 0.0
        return Path(running=running, tilt=self._tilt(r), sd=math.sqrt(max(variance, 0.0)))


def _inverse(cells: Floats) -> Floats:
    return 1.0 / np.maximum(cells, 0.5)
