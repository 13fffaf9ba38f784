"""Tell an overlap of two masks in one layer from chance.

p-values are log10, since at these sizes p itself underflows. Significant means p <= alpha, and for
the default two-sided p that is the same as lying outside `interval`, exactly.
"""

from __future__ import annotations

import math
from typing import Literal, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from maskstat.errors import UsageError
from maskstat.stats._distinct import distinct_rows
from maskstat.stats._quantile import TIE, first_above, log_level, log_levels, lower_quantile
from maskstat.stats.hypergeometric import log_pmf, log_tails, moments, support

__all__ = [
    "Alternative",
    "exact_size",
    "interval",
    "min_detectable_lift",
    "p_values",
    "significant",
    "untestable",
]

Floats = NDArray[np.float64]
Counts = NDArray[np.int64]
Alternative = Literal["two-sided", "fisher", "greater", "less"]

LN10 = math.log(10.0)
_FISHER_TIE = 1e-7  # probabilities this close, relatively, count as equal (as in R and scipy)


def p_values(
    x: ArrayLike,
    N: ArrayLike,
    a: ArrayLike,
    b: ArrayLike,
    *,
    alternative: Alternative = "two-sided",
    mid_p: bool = False,
) -> Floats:
    """Return log10 p of the overlap of two masks of fixed sizes.

    Parameters
    ----------
    x
        Observed overlap: whole numbers, any shape that broadcasts with the others.
    N
        Weights in the layer, at most 2**53.
    a, b
        Weights that the two masks keep.
    alternative
        ``two-sided`` doubles the smaller tail; ``fisher`` adds up every overlap that is at most
        as probable as the observed one; ``greater`` and ``less`` are one tail.
    mid_p
        Count the observed overlap half in each tail.

    Returns
    -------
    numpy.ndarray
        float64 of the broadcast shape, at most 0, always finite. 0 where the sizes allow a single
        overlap only (`untestable`).

    Raises
    ------
    UsageError
        If an overlap is impossible for its sizes, the alternative is unknown, or mid-p is asked
        for together with ``fisher``.

    Notes
    -----
    Doubled tails are the default because they are dual to the central interval and know a
    direction. The tie rule of ``fisher`` is R's: probabilities within a factor of 1 + 1e-7.

    Examples
    --------
    >>> float(p_values(110, 2400, 480, 480).round(4))
    -1.0577
    """
    check_alternative(alternative, mid_p=mid_p)
    shape = np.broadcast_shapes(*(np.shape(v) for v in (x, N, a, b)))
    xs, Ns, as_, bs = _columns(x, N, a, b)
    at_most, at_least = log_tails(xs, Ns, as_, bs)
    low, high = support(Ns, as_, bs)
    check_overlap(xs, low, high)
    if alternative == "fisher":
        log_p = _fisher(xs, Ns, as_, bs, at_most, at_least)
    else:
        at_x = log_pmf(xs, Ns, as_, bs) if mid_p else None
        log_p = choose_tail(at_most, at_least, at_x, alternative)
    return (np.minimum(log_p, 0.0) / LN10).reshape(shape)


def significant(log10_p: ArrayLike, alpha: float) -> NDArray[np.bool_]:
    """Say where p <= alpha, an exact tie included.

    Parameters
    ----------
    log10_p
        Any shape; NaN is not significant.
    alpha
        Level, between 0 and 1.

    Returns
    -------
    numpy.ndarray
        bool, of the same shape.

    Raises
    ------
    UsageError
        If alpha is not between 0 and 1.

    Examples
    --------
    >>> significant([-1.0, -2.0], 0.05).tolist()
    [False, True]
    """
    level = log_level(alpha)
    return np.asarray(np.asarray(log10_p, dtype=np.float64) * LN10 <= level + TIE)


def interval(
    N: ArrayLike, a: ArrayLike, b: ArrayLike, *, alpha: ArrayLike = 0.05
) -> tuple[Counts, Counts]:
    """Return the central acceptance region of the overlap, ends included.

    Parameters
    ----------
    N, a, b
        Weights in the layer and weights that the two masks keep; shapes broadcast.
    alpha
        Level: 0.05 for the 95 % region; several at once are cheaper, and broadcast with the sizes.

    Returns
    -------
    tuple of numpy.ndarray
        int64, lowest and highest overlap that are not significant: both tails exceed alpha / 2.

    Raises
    ------
    UsageError
        If alpha is not between 0 and 1, or sizes are impossible.

    Examples
    --------
    >>> low, high = interval(2400, 480, 480)
    >>> int(low), int(high)
    (81, 112)
    """
    level = log_levels(alpha) - math.log(2.0)
    shape = np.broadcast_shapes(np.shape(N), np.shape(a), np.shape(b), level.shape)
    sizes = np.stack(_columns(N, a, b, level))
    first, inverse = distinct_rows(sizes.T)
    Ns, as_, bs, levels = sizes[:, first]
    # The upper end is the lower one of a - X ~ Hyp(N, a, N - b).
    both = _lowest(np.tile(Ns, 2), np.tile(as_, 2), np.append(bs, Ns - bs), np.tile(levels, 2))
    low, high = both[: bs.size], as_ - both[bs.size :]
    index = inverse.reshape(shape)
    return low.astype(np.int64)[index], high.astype(np.int64)[index]


def exact_size(
    N: ArrayLike, a: ArrayLike, b: ArrayLike, *, alpha: float = 0.05
) -> tuple[Floats, Floats]:
    """Return how often chance alone is significant, which is at most alpha and often far less.

    Parameters
    ----------
    N, a, b
        Weights in the layer and weights that the two masks keep; shapes broadcast.
    alpha
        Nominal level.

    Returns
    -------
    tuple of numpy.ndarray
        float64, probability of an overlap above and below the interval.

    Raises
    ------
    UsageError
        If alpha is not between 0 and 1, or sizes are impossible.

    Examples
    --------
    >>> above, below = exact_size(150, 15, 15)
    >>> round(100 * float(above + below), 2)
    0.83
    """
    low, high = interval(N, a, b, alpha=alpha)
    below, _ = log_tails(low - 1, N, a, b)
    _, above = log_tails(high + 1, N, a, b)
    return np.exp(above), np.exp(below)


def min_detectable_lift(N: ArrayLike, a: ArrayLike, b: ArrayLike, *, alpha: float = 0.05) -> Floats:
    """Return the smallest overlap that is significantly high, as a multiple of chance.

    Parameters
    ----------
    N, a, b
        Weights in the layer and weights that the two masks keep; shapes broadcast.
    alpha
        Level.

    Returns
    -------
    numpy.ndarray
        float64; NaN where even the largest possible overlap is not significant.

    Raises
    ------
    UsageError
        If alpha is not between 0 and 1, or sizes are impossible.

    Examples
    --------
    >>> round(float(min_detectable_lift(840, 84, 84)), 2)
    1.79
    """
    _, high = interval(N, a, b, alpha=alpha)
    mean, _, _ = moments(N, a, b)
    _, largest = support(N, a, b)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(high < largest, (high + 1) / mean, np.nan)


def untestable(N: ArrayLike, a: ArrayLike, b: ArrayLike) -> NDArray[np.bool_]:
    """Say where the sizes allow one overlap only, so that nothing can be tested.

    Parameters
    ----------
    N, a, b
        Weights in the layer and weights that the two masks keep; shapes broadcast.

    Returns
    -------
    numpy.ndarray
        bool; True where a mask keeps nothing or everything.

    Examples
    --------
    >>> untestable(10, [0, 5, 10], 5).tolist()
    [True, False, True]
    """
    low, high = support(N, a, b)
    return np.asarray(low == high)


def check_alternative(alternative: str, *, mid_p: bool) -> None:
    """Refuse an alternative that does not exist, and mid-p where it is not defined."""
    if alternative not in get_args(Alternative):
        raise UsageError(
            f"there is no alternative {alternative!r}",
            code="unknown-alternative",
            consequence=f"there are: {', '.join(get_args(Alternative))}",
        )
    if mid_p and alternative == "fisher":
        raise UsageError(
            "mid-p is not defined for the fisher alternative",
            code="no-mid-p",
            hint="two-sided, greater or less",
        )


def check_overlap(x: Floats, low: Floats, high: Floats) -> None:
    """Refuse an overlap that no two masks of these sizes can have."""
    impossible = np.flatnonzero(~((x >= low) & (x <= high)).ravel())
    if impossible.size:
        i = impossible[0]
        raise UsageError(
            f"an overlap of {x.flat[i]:.0f} is impossible",
            code="impossible-overlap",
            consequence=f"the sizes allow {low.flat[i]:.0f} to {high.flat[i]:.0f}",
        )


def choose_tail(
    at_most: Floats, at_least: Floats, at_x: Floats | None, alternative: Alternative
) -> Floats:
    """Turn ln P(X <= x), ln P(X >= x) and, for mid-p, ln P(X = x) into ln p."""
    if at_x is not None:
        at_most, at_least = (
            tail + np.log1p(-0.5 * np.exp(np.minimum(at_x - tail, 0.0)))
            for tail in (at_most, at_least)
        )
    if alternative == "greater":
        return at_least
    if alternative == "less":
        return at_most
    return np.minimum(math.log(2.0) + np.minimum(at_most, at_least), 0.0)


def _columns(*values: ArrayLike) -> list[Floats]:
    arrays = np.broadcast_arrays(*(np.asarray(v, dtype=np.float64) for v in values))
    return [np.ascontiguousarray(v).ravel() for v in arrays]


def _fisher(
    x: Floats, N: Floats, a: Floats, b: Floats, at_most: Floats, at_least: Floats
) -> Floats:
    """Add to the observed tail the opposite one, from the first overlap as improbable as x."""
    low, high = support(N, a, b)
    mode = np.clip(np.floor((a + 1) * ((b + 1) / (N + 2))), low, high)
    limit = log_pmf(x, N, a, b) + _FISHER_TIE
    upper = x > mode
    # Of each pair, `out` is as improbable as x (or one past the support) and `in_` is not.
    out = np.where(upper, low - 1, high + 1)
    in_ = mode.copy()
    at_mode = log_pmf(mode, N, a, b) <= limit
    open_ = np.flatnonzero((np.abs(in_ - out) > 1) & ~at_mode)
    while open_.size:
        i = open_
        middle = np.floor((in_[i] + out[i]) / 2)
        improbable = log_pmf(middle, N[i], a[i], b[i]) <= limit[i]
        out[i] = np.where(improbable, middle, out[i])
        in_[i] = np.where(improbable, in_[i], middle)
        open_ = i[np.abs(in_[i] - out[i]) > 1]
    opposite_at_most, opposite_at_least = log_tails(out, N, a, b)
    log_p = np.where(
        upper, np.logaddexp(at_least, opposite_at_most), np.logaddexp(at_most, opposite_at_least)
    )
    return np.where(at_mode, 0.0, log_p)


def _lowest(N: Floats, a: Floats, b: Floats, level: Floats) -> Floats:
    """Return the smallest v with P(X <= v) > e**level."""
    mean, variance, third = moments(N, a, b)
    low, high = support(N, a, b)

    def tail(rows: NDArray[np.intp], v: Floats) -> tuple[Floats, Floats]:
        sizes = N[rows], a[rows], b[rows]
        return log_tails(v, *sizes)[0], log_pmf(v, *sizes)

    return first_above(tail, lower_quantile(mean, variance, third, level), low, high, level)
