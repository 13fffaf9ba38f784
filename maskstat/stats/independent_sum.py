"""Exact tails of a sum of independent counts, such as overlaps summed over layers.

The generating functions of the layers are evaluated numerically on a line through the saddle point
and inverted by the trapezoidal rule, whose error on such integrands is below 1e-14. What a
saddlepoint formula approximates is thereby computed.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from maskstat.stats.lattice import LogTails, join_tails, outside, thinned

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["Law", "Sample", "sum_log_tails"]

Floats: TypeAlias = NDArray[np.float64]

_REACH_SD = 11.5  # 9 and the shift of a nudged tilt
_REACH_CELLS = 40.0
_FULL_CIRCLE_BELOW = 10.0  # sd of the sum; above, the integrand is 0 beyond 10 / sd
_THINNED_FROM = 15.0


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


def sum_log_tails(x: int, laws: Sequence[Law]) -> LogTails:
    """Return the exact tails of a sum of independent counts.

    Parameters
    ----------
    x
        Value of the sum.
    laws
        Laws of the terms.

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

    def tilt_to(value: float) -> float:
        return _tilt(min(max(value, low + 0.5), high - 0.5), laws)

    tilt = tilt_to(x)
    samples = [law.sample(tilt) for law in laws]
    sd = math.sqrt(sum(_variance(part, tilt) for part in samples))
    step = 1 if sd < _FULL_CIRCLE_BELOW else 0  # in a wide law the neighbours' tilts are the same
    nudge = min(1.0 / sd, 1.0) if sd > 0 else 1.0

    def above() -> float:
        up = max(tilt_to(x + step) if step else tilt, nudge)
        return _invert(samples, x, up, sd, side=1) if x < high else -math.inf

    def below() -> float:
        down = min(tilt_to(x - step) if step else tilt, -nudge)
        return _invert(samples, x, down, sd, side=-1) if x > low else -math.inf

    at = _invert(samples, x, tilt, sd, side=0)
    return join_tails(at, below, above, upper=tilt > 0)


def _tilt(x: float, laws: Sequence[Law]) -> float:
    """Return the tilt that centres the sum at x, near enough for an integration line."""
    low, high, stride = -math.inf, math.inf, 1.0
    tilt = 0.0
    for _ in range(200):
        centres = [law.centre(tilt) for law in laws]
        miss = sum(mean for mean, _ in centres) - x
        variance = sum(sd * sd for _, sd in centres)
        if abs(miss) <= 0.02 * math.sqrt(variance):
            break
        low, high = (tilt, high) if miss < 0 else (low, tilt)
        newton = tilt - miss / variance if variance > 0 else math.inf
        if low < newton < high and abs(newton - tilt) <= stride:
            tilt = newton
        elif math.isinf(high - low):
            tilt += math.copysign(stride, -miss)
            stride *= 2.0
        else:
            tilt = 0.5 * (low + high)
    return tilt


def _variance(part: Sample, tilt: float) -> float:
    log_w = part.log_weight + tilt * (part.x - part.x[0])
    weight = np.exp(log_w - log_w.max())
    weight /= weight.sum()
    mean = float(weight @ part.x)
    return float(weight @ (part.x - mean) ** 2)


def _invert(samples: Sequence[Sample], x: float, tilt: float, sd: float, *, side: int) -> float:
    """Return ln of P(X > x) for side 1 (tilt > 0), P(X < x) for -1 (tilt < 0), P(X = x) for 0."""
    half = math.ceil(20.0 * sd) + 40
    last = half if sd < _FULL_CIRCLE_BELOW else math.floor(10.0 / sd * half / math.pi)
    w = np.arange(last + 1) * (math.pi / half)
    log_scale, offset = 0.0, x
    generating = np.ones(w.size, dtype=np.complex128)
    for points, log_weight in samples:
        log_tilted = log_weight + tilt * (points - points[0])
        mode = int(np.argmax(log_tilted))
        weight = np.exp(log_tilted - log_tilted[mode])
        waves = np.exp(1j * np.outer(points - points[mode], w))
        generating *= (weight[:, None] * waves).sum(axis=0)
        log_scale += log_weight[mode]
        offset -= points[mode]
    integrand = generating * np.exp(-1j * w * offset)
    log_scale -= tilt * offset
    if side:  # the sum of exp(-s t) over all whole t > 0, or t < 0
        integrand *= np.exp(-1j * side * w) / -np.expm1(-side * (tilt + 1j * w))
        log_scale -= abs(tilt)
    integrand[1:-1] *= 2.0
    if last < half:
        integrand[-1] *= 2.0
    integral = float(integrand.real.sum()) / (2 * half)
    return log_scale + math.log(integral) if integral > 0 else -math.inf
