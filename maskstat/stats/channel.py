"""Chance overlap of two masks that consist of whole channels."""

from __future__ import annotations

from dataclasses import dataclass
from math import log, prod, sqrt
from typing import TYPE_CHECKING

import numpy as np

from maskstat.errors import InputError, LayoutMismatchError
from maskstat.stats._quantile import TIE, log_level
from maskstat.stats.hypergeometric import log_pmf, log_tails, moments, support

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from maskstat.stats.structured import Structure

    Floats = NDArray[np.float64]
    Factor = tuple[int, int, int]

__all__ = ["ChannelNull", "channel_interval", "channel_null"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelNull:
    """The overlap of two structured masks, and its law when channels are exchangeable.

    Parameters
    ----------
    axes
        Axes along which either mask was pruned.
    channels, kept_a, kept_b, shared_channels
        Per axis: slices, slices that each mask keeps, slices that both keep.
    fan
        Weights where one slice of every axis meets.
    shared
        Weights that both masks keep: fan times the product of `shared_channels`.
    mean, variance, third_cumulant
        Of the number of shared weights. Exact.
    log_p_le, log_p_ge, log_p_at
        Natural logarithms of P(X <= shared), P(X >= shared), P(X = shared). Exact.
    """

    axes: tuple[int, ...]
    channels: tuple[int, ...]
    kept_a: tuple[int, ...]
    kept_b: tuple[int, ...]
    shared_channels: tuple[int, ...]
    fan: int
    shared: int
    mean: float
    variance: float
    third_cumulant: float
    log_p_le: float
    log_p_ge: float
    log_p_at: float

    @property
    def z(self) -> float | None:
        """Distance from chance in standard deviations; None if only one overlap is possible."""
        return (self.shared - self.mean) / sqrt(self.variance) if self.variance > 0 else None


def _same_shape(a: Structure, b: Structure) -> tuple[int, ...]:
    """Return the shape of both masks."""
    shape, other = (tuple(units.size for units in s.alive) for s in (a, b))
    if shape != other:
        raise LayoutMismatchError(
            f"masks of shapes {shape} and {other} cannot be compared", code="shape-mismatch"
        )
    return shape


def channel_null(a: Structure, b: Structure) -> ChannelNull:
    """Test the overlap of two structured masks with channels as the units of chance.

    Parameters
    ----------
    a, b
        Structure of two masks of one layer; both have to consist of whole slices.

    Returns
    -------
    ChannelNull
        Counts, moments and exact tails.

    Raises
    ------
    LayoutMismatchError
        ``shape-mismatch``.
    InputError
        ``not-structured``.

    Notes
    -----
    Along each pruned axis the number of shared slices is hypergeometric, (C, c1, c2), and the axes
    are independent, so the shared weights are X = fan * X_1 * X_2 ... . With one axis the tails
    are the hypergeometric's; with more, they are summed over the values of the axis with the
    smallest support: P(X_1 X_2 >= x) = sum_i P(X_1 = i) P(X_2 >= x / i), without approximation.
    In grouped convolutions axis 1 counts positions within a group.

    Examples
    --------
    >>> import numpy as np
    >>> from maskstat.stats.structured import detect_structure
    >>> mask = np.repeat(np.array([1, 1, 0, 0], bool)[:, None], 9, axis=1)
    >>> null = channel_null(detect_structure(mask), detect_structure(mask))
    >>> null.shared, null.mean, round(float(np.exp(null.log_p_ge)), 6)
    (18, 9.0, 0.166667)
    """
    shape = _same_shape(a, b)
    for structure in (a, b):
        if not structure.is_product:
            raise InputError(
                "a mask does not consist of whole channels",
                code="not-structured",
                consequence="the channel null does not apply",
                hint="use --null layer, or row",
            )
    axes = tuple(k for k, n in enumerate(shape) if not (a.alive[k].all() and b.alive[k].all()))
    kept_a, kept_b, shared = (
        tuple(int(np.count_nonzero(units[axis])) for axis in axes)
        for units in (a.alive, b.alive, [u & v for u, v in zip(a.alive, b.alive, strict=True)])
    )
    channels = tuple(shape[axis] for axis in axes)
    fan = prod(shape) // max(prod(channels), 1)
    factors = _ordered(channels, kept_a, kept_b)
    mean, variance, third = _product_moments(factors)
    x = np.array([float(prod(shared))])
    at_most, at_least, at_x = (float(tail(x, factors)[0]) for tail in (_at_most, _at_least, _at))
    return ChannelNull(
        axes=axes,
        channels=channels,
        kept_a=kept_a,
        kept_b=kept_b,
        shared_channels=shared,
        fan=fan,
        shared=fan * prod(shared),
        mean=fan * mean,
        variance=fan**2 * variance,
        third_cumulant=fan**3 * third,
        log_p_le=min(at_most, 0.0),
        log_p_ge=min(at_least, 0.0),
        log_p_at=min(at_x, 0.0),
    )


def channel_interval(null: ChannelNull, *, alpha: float = 0.05) -> tuple[int, int]:
    """Return the central acceptance region of the shared weights, ends included.

    Parameters
    ----------
    null
        Result of `channel_null`.
    alpha
        Level: 0.05 for the 95 % region.

    Returns
    -------
    tuple of int
        The smallest and the largest overlap whose doubled tail exceeds alpha.

    Raises
    ------
    UsageError
        ``bad-alpha``.

    Examples
    --------
    >>> import numpy as np
    >>> from maskstat.stats.structured import detect_structure
    >>> mask = np.repeat((np.arange(64) < 32)[:, None], 9, axis=1)
    >>> null = channel_null(detect_structure(mask), detect_structure(mask))
    >>> channel_interval(null)
    (108, 180)
    """
    log_alpha = log_level(alpha)
    level = log_alpha - log(2) + TIE
    # Values of the summed axis this much rarer than the level cannot move an end.
    factors, rare = _ordered(null.channels, null.kept_a, null.kept_b), log_alpha - 50
    highest = prod(min(a, b) for _, a, b in factors)

    def reached(x: int) -> bool:
        return bool(_at_most(np.array([float(x)]), factors, rare)[0] > level)

    def beyond(x: int) -> bool:
        return bool(_at_least(np.array([float(x)]), factors, rare)[0] <= level)

    low = _first(reached, 0, highest)
    return null.fan * low, null.fan * (_first(beyond, low + 1, highest + 1) - 1)


def _first(holds: Callable[[int], bool], low: int, high: int) -> int:
    """Return the smallest number from low to high at which a monotone statement holds."""
    while low < high:
        middle = (low + high) // 2
        if holds(middle):
            high = middle
        else:
            low = middle + 1
    return low


def _ordered(
    channels: tuple[int, ...], kept_a: tuple[int, ...], kept_b: tuple[int, ...]
) -> tuple[Factor, ...]:
    """Return (C, c1, c2) of each axis, the one with most possible overlaps last."""
    factors = zip(channels, kept_a, kept_b, strict=True)
    return tuple(sorted(factors, key=lambda f: min(f[1:]) - max(0, f[1] + f[2] - f[0])))


def _product_moments(factors: tuple[Factor, ...]) -> tuple[float, float, float]:
    """Return mean, variance and third central moment of a product of independent overlaps.

    With X = m + e and Y = n + f, XY - mn is mf + ne + ef, whose powers lose no digits.
    """
    m, v, k = 1.0, 0.0, 0.0
    for N, a, b in factors:
        n, w, j = (float(moment) for moment in moments(N, a, b))
        k = m**3 * j + n**3 * k + k * j + 3 * m * j * v + 3 * n * k * w + 6 * m * n * v * w
        v = m**2 * w + n**2 * v + v * w
        m = m * n
    return m, v, k


def _values(factor: Factor, rare: float) -> tuple[Floats, Floats]:
    """Return the possible overlaps of one axis and their log probabilities."""
    low, high = (int(end) for end in support(*factor))
    values = np.arange(low, high + 1, dtype=np.float64)
    log_p = log_pmf(values, *factor)
    return values[log_p >= rare], log_p[log_p >= rare]


def _log_sum(terms: Floats) -> Floats:
    """Return ln of the sum of e**terms along the last axis."""
    top = terms.max(axis=-1, initial=-np.inf, keepdims=True)
    top = np.where(np.isfinite(top), top, 0.0)
    with np.errstate(divide="ignore"):
        return np.asarray(np.log(np.exp(terms - top).sum(axis=-1)) + top[..., 0])


def _at_least(x: Floats, factors: tuple[Factor, ...], rare: float = -np.inf) -> Floats:
    """Return ln P(product >= x) for one-dimensional x."""
    if len(factors) < 2:
        return log_tails(x, *factors[0])[1] if factors else np.where(x <= 1, 0.0, -np.inf)
    values, log_p = _values(factors[0], rare)
    values, log_p = values[values > 0], log_p[values > 0]
    needed = np.ceil(x[:, None] / values)
    inner = _at_least(needed.ravel(), factors[1:], rare).reshape(needed.shape)
    lowest = prod(max(0, a + b - N) for N, a, b in factors)
    return np.where(x <= lowest, 0.0, _log_sum(log_p + inner))


def _at_most(x: Floats, factors: tuple[Factor, ...], rare: float = -np.inf) -> Floats:
    """Return ln P(product <= x) for one-dimensional x."""
    if len(factors) < 2:
        return log_tails(x, *factors[0])[0] if factors else np.where(x >= 1, 0.0, -np.inf)
    values, log_p = _values(factors[0], rare)
    allowed = np.floor(x[:, None] / np.maximum(values, 1.0))
    inner = _at_most(allowed.ravel(), factors[1:], rare).reshape(allowed.shape)
    inner = np.where(values == 0, np.where(x[:, None] >= 0, 0.0, -np.inf), inner)
    highest = prod(min(a, b) for _, a, b in factors)
    return np.where(x >= highest, 0.0, _log_sum(log_p + inner))


def _at(x: Floats, factors: tuple[Factor, ...]) -> Floats:
    """Return ln P(product = x) for one-dimensional x."""
    if len(factors) < 2:
        return log_pmf(x, *factors[0]) if factors else np.where(x == 1, 0.0, -np.inf)
    values, log_p = _values(factors[0], -np.inf)
    quotient = x[:, None] / np.maximum(values, 1.0)
    inner = _at(np.floor(quotient).ravel(), factors[1:]).reshape(quotient.shape)
    inner = np.where(quotient == np.floor(quotient), inner, -np.inf)
    inner = np.where(values == 0, np.where(x[:, None] == 0, 0.0, -np.inf), inner)
    return _log_sum(log_p + inner)
