"""Upper tail of the chi-square distribution as a logarithm that never underflows."""

from __future__ import annotations

import math

__all__ = ["chi_square_log_sf", "normal_log_sf"]

_HALF_LOG_PI = 0.5 * math.log(math.pi)
_ERFC_LIMIT = 25.0


def normal_log_sf(z: float) -> float:
    """Return ln P(Z >= z) of a standard normal Z.

    Parameters
    ----------
    z
        Any finite number.

    Returns
    -------
    float
        Natural logarithm, finite for every finite `z` up to 1e154.

    Notes
    -----
    ``math.erfc`` where it does not underflow, and beyond z = 35 the asymptotic series (Abramowitz
    and Stegun 7.1.23), whose smallest term is then below 1e-200.

    Examples
    --------
    >>> round(normal_log_sf(40.0) / math.log(10), 6)
    -349.437006
    """
    if z < 0:
        return math.log1p(-0.5 * math.erfc(-z / math.sqrt(2)))
    return _log_erfc(z / math.sqrt(2)) - math.log(2)


def chi_square_log_sf(x: float, df: int) -> float:
    """Return ln P(X >= x) of a chi-square variable with `df` degrees of freedom.

    Parameters
    ----------
    x
        The statistic, finite; 0 or less has the tail 1.
    df
        Degrees of freedom, at least 1.

    Returns
    -------
    float
        Natural logarithm; relative error about 1e-14 up to 30 degrees of freedom, 1e-11 at 10,000.

    Notes
    -----
    With y = x/2 the tail is a finite sum of positive terms (Abramowitz and Stegun 26.4.4-5):
    ``exp(-y) sum_{i < df/2} y^i / i!`` for even `df`, and for odd `df`
    ``erfc(sqrt y) + exp(-y) sum_{i < (df - 1)/2} y^(i + 1/2) / Gamma(i + 3/2)``. Below the mean
    the lower tail is the small one and comes from its series (6.5.29).

    Examples
    --------
    >>> round(math.exp(chi_square_log_sf(3.841458820694124, 1)), 12)
    0.05
    """
    y, a = 0.5 * x, 0.5 * df
    if y <= 0:
        return 0.0
    if y < a:
        return math.log1p(-math.exp(_log_lower(y, a)))
    start = 0.5 * (df % 2)
    logs = [
        (i + start) * math.log(y) - y - math.lgamma(i + start + 1.0) for i in range(int(df // 2))
    ]
    if df % 2:
        logs.append(_log_erfc(math.sqrt(y)))
    top = max(logs)
    return min(0.0, top + math.log(math.fsum(math.exp(term - top) for term in logs)))


def _log_lower(y: float, a: float) -> float:
    """Log of the regularised lower incomplete gamma function P(a, y), y < a."""
    term = total = 1.0
    divisor = a
    while term > 1e-17 * total:
        divisor += 1.0
        term *= y / divisor
        total += term
    return a * math.log(y) - y - math.lgamma(a + 1.0) + math.log(total)


def _log_erfc(y: float) -> float:
    """Log of the complementary error function."""
    if y < _ERFC_LIMIT:
        return math.log(math.erfc(y))
    term = total = 1.0
    for i in range(1, 12):
        term *= -(2 * i - 1) / (2.0 * y * y)
        total += term
    return -y * y - math.log(y) - _HALF_LOG_PI + math.log(total)
