"""What log-factorials need to keep every digit: remainders, deviances, exact products."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

__all__ = ["SERIES_FROM", "deviance", "log1mexp", "log_factorial_remainder", "two_product"]

Floats = NDArray[np.float64]

SERIES_FROM = 16
_SMALL_REMAINDERS = np.array(
    [0.0] + [math.log(math.factorial(k)) - (k * math.log(k) - k) for k in range(1, SERIES_FROM)]
)
_VELTKAMP = 134217729.0  # 2**27 + 1 splits a double into two halves of 26 bits


def log_factorial_remainder(k: Floats) -> Floats:
    """Return ``ln k! - (k ln k - k)``: exact table below 16, Stirling's series above.

    Parameters
    ----------
    k
        Non-negative numbers; whole where below 16.

    Returns
    -------
    numpy.ndarray
        float64, correct to about one unit in the last place.
    """
    m = np.maximum(k, SERIES_FROM)
    r = 1.0 / m
    q = r * r
    series = 0.5 * np.log(2 * math.pi * m) + r * (
        1 / 12 - q * (1 / 360 - q * (1 / 1260 - q * (1 / 1680 - q * (1 / 1188 - q * 691 / 360360))))
    )
    small = k < SERIES_FROM
    if not small.any():
        return series
    index = np.where(small, np.maximum(k, 0), 0).astype(np.int64)
    return np.where(small, _SMALL_REMAINDERS[index], series)


def deviance(expected: Floats, offset: Floats) -> Floats:
    """Return ``(E + t) ln((E + t) / E) - t`` without cancellation.

    Parameters
    ----------
    expected
        E, at least 0.
    offset
        t, at least -E.

    Returns
    -------
    numpy.ndarray
        float64, at least 0; E where E + t = 0, and 0 where E = 0.

    Notes
    -----
    With u = t/E and v = u/(2 + u), ln(1 + u) = 2 (v + v^3/3 + v^5/5 + ...), and the first
    term of the series cancels against t exactly: what is left is u v + 2 v (1 + u) (v^2/3 + ...).
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        u = offset / expected
        near = np.abs(u) < 0.2
        v = np.where(near, u / (2.0 + u), 0.0)
        w = v * v
        close = expected * (u * v + 2.0 * v * (1.0 + u) * _atanh_tail(w))
        if near.all():
            return close
        far = (expected + offset) * np.log1p(u) - offset
    result = np.where(near, close, np.where(u <= -1.0, expected, far))
    return np.where(expected > 0, result, 0.0)


def _atanh_tail(w: Floats) -> Floats:
    """Sum w/3 + w^2/5 + w^3/7 + ... with as many terms as the largest w asks for."""
    largest = float(w.max(initial=0.0))
    terms = 1 if largest < 1e-17 else max(1, math.ceil(-37.0 / math.log(largest)))
    total = np.zeros_like(w)
    for j in range(2 * terms + 1, 1, -2):
        total += 1.0 / j
        total *= w
    return total


def two_product(x: Floats, y: Floats) -> tuple[Floats, Floats]:
    """Return x y as an unevaluated sum of two doubles, exactly (Dekker 1971).

    Parameters
    ----------
    x, y
        Whole numbers up to 2**53 in float64.

    Returns
    -------
    tuple of numpy.ndarray
        The rounded product and its rounding error.
    """
    product = x * y
    x_high = x * _VELTKAMP
    x_high = x_high - (x_high - x)
    y_high = y * _VELTKAMP
    y_high = y_high - (y_high - y)
    x_low, y_low = x - x_high, y - y_high
    error = ((x_high * y_high - product) + x_high * y_low + x_low * y_high) + x_low * y_low
    return product, error


def log1mexp(log_p: Floats) -> Floats:
    """Return ``ln(1 - p)`` from ``ln p``.

    Parameters
    ----------
    log_p
        At most 0; minus infinity is p = 0.

    Returns
    -------
    numpy.ndarray
        float64; minus infinity where p = 1.
    """
    p = np.minimum(log_p, 0.0)
    with np.errstate(divide="ignore"):
        return np.where(p > -0.6931, np.log(-np.expm1(p)), np.log1p(-np.exp(p)))
