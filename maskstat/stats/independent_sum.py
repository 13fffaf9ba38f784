"""Exact tails of a sum of independent counts, such as overlaps summed over layers.

The generating functions of the layers are evaluated numerically on a line through the saddle point
and inverted by the trapezoidal rule, whose error on such integrands is below 1e-14. What a
saddlepoint formula approximates is thereby computed.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, NamedTuple, TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray

from maskstat.stats.lattice import LogTails, join_tails, log_sum, outside, thinned

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Self

__all__ = ["Law", "Sample", "sum_log_tails"]

Floats: TypeAlias = NDArray[np.float64]

_REACH_SD = 11.5  # 9 and the shift of a nudged tilt
_REACH_CELLS = 40.0
_FULL_CIRCLE_BELOW = 10.0  # sd of the sum; above, the integrand is 0 beyond 10 / sd
_THINNED_FROM = 15.0
_LARGEST_TILT = 600.0  # of a step of Newton's

AnyLaw = TypeVar("AnyLaw", bound="Law")


class Sample(NamedTuple):
    """A law on a lattice.

    Parameters
    ----------
    x : float64 (n,)
        Ascending whole numbers.
    log_weight : float64 (n,)
        ln of P(x) times the lattice's step.
    """

    x: Floats
    log_weight: Floats


class Law(ABC):
    """A unimodal law on whole numbers whose logarithm is smooth.

    Attributes
    ----------
    lowest, highest
        Ends of the support.
    """

    lowest: int
    highest: int

    @abstractmethod
    def centre(self, tilt: float) -> tuple[float, float]:
        """Return about the mean and sd of the law when every x is weighted by exp(tilt x)."""

    @classmethod
    def centres(cls, laws: Sequence[Self]) -> Callable[[float], tuple[Floats, Floats]]:
        """Return `centre` of all laws as one function of the tilt."""

        def centres(tilt: float) -> tuple[Floats, Floats]:
            mean, sd = zip(*(law.centre(tilt) for law in laws), strict=True)
            return np.array(mean), np.array(sd)

        return centres

    @abstractmethod
    def sample(self, tilt: float) -> Sample:
        """Return the law where the tilted law has mass, on points from `tilted_lattice`."""

    def tilted_lattice(self, centre: float, sd: float) -> tuple[Floats, float]:
        """Return points, float64 (n,), and their step, for a tilted law with such moments."""
        reach = _REACH_SD * sd + _REACH_CELLS
        start = max(float(self.lowest), math.floor(centre - reach))
        stop = min(float(self.highest), math.ceil(centre + reach))
        if sd < _THINNED_FROM:
            return np.arange(start, stop + 1.0), 1.0
        return thinned(start, stop, sd, bandwidth=10.0 / sd)

    def inside(self, x: float) -> float:
        """Return x, half a weight away from the ends of the support where it is on them."""
        return min(max(x, self.lowest + 0.5), self.highest - 0.5)


def sum_log_tails(x: int, laws: Sequence[AnyLaw]) -> LogTails:
    """Return the exact tails of a sum of independent counts.

    Parameters
    ----------
    x
        Value of the sum.
    laws
        Laws of the terms, of one class.

    Returns
    -------
    LogTails
        ``(ln P(X <= x), ln P(X >= x), ln P(X = x))``.

    Notes
    -----
    With K the logarithm of the generating function at s = tilt + i w,
    P(X = x) = (1/2 pi) int exp(K(s) - s x) dw, and P(X > x) has the factor 1/(exp(s) - 1), for a
    positive tilt. The tilt puts the mean at x, which makes the integrand a bell of width 1/sd.
    """
    low, high = sum(law.lowest for law in laws), sum(law.highest for law in laws)
    trivial = outside(x, low, high)
    if trivial is not None:
        return trivial
    fixed = sum(law.lowest for law in laws if law.lowest == law.highest)
    laws = [law for law in laws if law.lowest < law.highest]
    x, low, high = x - fixed, low - fixed, high - fixed

    centres = type(laws[0]).centres(laws)

    def tilt_to(value: float) -> float:
        return _tilt(value, low, high, centres)

    tilt = tilt_to(x)
    samples = [law.sample(tilt) for law in laws]
    sd = math.sqrt(sum(_variance(part, tilt) for part in samples))
    step = 1 if sd < _FULL_CIRCLE_BELOW else 0  # in a wide law the neighbours' tilts are the same
    nudge = min(1.0 / sd, 1.0) if sd > 0 else 1.0

    up = max(tilt_to(x + step) if step else tilt, nudge)
    down = min(tilt_to(x - step) if step else tilt, -nudge)
    at, above, below = _invert(samples, x, ((tilt, 0), (up, 1), (down, -1)), sd)
    return join_tails(
        at,
        lambda: below if x > low else -math.inf,
        lambda: above if x < high else -math.inf,
        upper=tilt > 0,
    )


def _tilt(
    x: float, low: float, high: float, centres: Callable[[float], tuple[Floats, Floats]]
) -> float:
    """Return the tilt that centres a sum between low and high at x, or half a weight inside.

    Near enough for an integration line. Newton's method in a bracket, on the logit of the mean
    within the support, which is nearly linear in the tilt.
    """
    x = min(max(x, low + 0.5), high - 0.5)
    goal = math.log(x - low) - math.log(high - x)
    least, most, stride = -math.inf, math.inf, 1.0
    tilt = 0.0
    for _ in range(200):
        means, sds = centres(tilt)
        mean, variance = float(means.sum()), float(sds @ sds)
        miss = mean - x
        if abs(miss) <= 0.02 * math.sqrt(variance):
            break
        least, most = (tilt, most) if miss < 0 else (least, tilt)
        newton = math.inf
        if low < mean < high and variance > 0:
            per_tilt = variance * (1.0 / (mean - low) + 1.0 / (high - mean))
            newton = tilt + (goal - math.log(mean - low) + math.log(high - mean)) / per_tilt
        if least < newton < most and abs(newton) < _LARGEST_TILT:
            tilt = newton
        elif math.isinf(most - least):
            tilt += math.copysign(stride, -miss)
            stride *= 2.0
        else:
            tilt = 0.5 * (least + most)
    return tilt


def _variance(part: Sample, tilt: float) -> float:
    log_w = part.log_weight + tilt * (part.x - part.x[0])
    weight = np.exp(log_w - log_w.max())
    weight /= weight.sum()
    mean = float(weight @ part.x)
    return float(weight @ (part.x - mean) ** 2)


def _invert(
    samples: Sequence[Sample], x: float, lines: Sequence[tuple[float, int]], sd: float
) -> list[float]:
    """Return ln of integrals along lines, each given by its tilt and its side.

    P(X > x) for side 1 (tilt > 0), P(X < x) for -1 (tilt < 0), P(X = x) for 0.
    """
    half = math.ceil(20.0 * sd) + 40
    last = half if sd < _FULL_CIRCLE_BELOW else math.floor(10.0 / sd * half / math.pi)
    w = np.arange(last + 1.0) * (math.pi / half)
    tilts = np.array([tilt for tilt, _ in lines])
    log_scales, generating, centre = _generating(samples, tilts, w)
    offset = x - centre
    share = np.where(np.arange(last + 1) % half, 2.0, 1.0) / (2 * half)
    logs = []
    for (tilt, side), log_scale, values in zip(lines, log_scales, generating, strict=True):
        integrand = values * np.exp(-1j * w * offset)
        log_scale -= tilt * offset
        if side:  # the sum of exp(-s t) over all whole t > 0, or t < 0
            integrand *= np.exp(-1j * side * w) / -np.expm1(-side * (tilt + 1j * w))
            log_scale -= abs(tilt)
        integral = float(share @ integrand.real)
        logs.append(log_scale + math.log(integral) if integral > 0 else -math.inf)
    return logs


def _generating(
    samples: Sequence[Sample], tilts: Floats, w: Floats
) -> tuple[list[float], NDArray[np.complex128], float]:
    """Return E[exp((tilt + i w) (X - centre))] as log scales and the values over them.

    The values are complex128 (tilts, w).
    """
    log_scales = np.zeros(tilts.size)
    generating = np.ones((tilts.size, w.size), dtype=np.complex128)
    centre = 0.0
    for points, log_weight in samples:
        middle = float(points[int(np.argmax(log_weight + tilts[0] * (points - points[0])))])
        log_tilted = log_weight + tilts[:, None] * (points - middle)
        # Hundreds of layers, each with a value of a few at w = 0, would overflow.
        log_total = log_sum(log_tilted.T)
        weight = np.exp(log_tilted - log_total[:, None])
        generating *= weight @ np.exp(1j * np.outer(points - middle, w))
        log_scales += log_total
        centre += middle
    return log_scales.tolist(), generating, centre
