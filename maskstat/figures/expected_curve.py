"""The exact law of an overlap, as a curve over per cent of the mask."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from maskstat.stats.hypergeometric import log_pmf
from maskstat.stats.stratified import log_tails_total, moments_total

__all__ = ["Curve", "Sizes", "expected_curve"]

Floats = NDArray[np.float64]

Sizes = tuple[tuple[int, int, int], ...]
"""(N, a, b) of every layer that is counted: one for a layer's overlap, several for a total."""

_REACH = 5.0  # standard deviations
_POINTS, _POINTS_OF_MANY = 121, 25
_MANY = 20


class Curve(NamedTuple):
    """A law of overlaps.

    Parameters
    ----------
    percent : float64 (n,)
        Shared weights in per cent of the smaller mask, ascending.
    density : float64 (n,)
        Probability for each per cent.
    """

    percent: Floats
    density: Floats


def expected_curve(pairs: Sequence[Sizes]) -> Curve | None:
    """Return the law of the overlap of pairs of masks, averaged over the pairs.

    Parameters
    ----------
    pairs
        For each pair its layers' sizes; layers are independent of each other.

    Returns
    -------
    Curve or None
        None if no pair has both masks nonempty.

    Notes
    -----
    Grosse & Backes (2020), Eq. 1, exact at every point. Where there are more overlaps than a
    figure can show, every so many of them are taken for a layer, and several together for a total.

    Examples
    --------
    >>> curve = expected_curve([((4, 2, 2),)])
    >>> curve.percent.tolist(), (50 * curve.density).round(6).tolist()
    ([0.0, 50.0, 100.0], [0.166667, 0.666667, 0.166667])
    """
    drawn = Counter(sizes for sizes in pairs if _smaller(sizes))
    if not drawn:
        return None
    n_points = _POINTS if len(drawn) < _MANY else _POINTS_OF_MANY
    curves = [(_law(sizes, n_points), times) for sizes, times in drawn.items()]
    if len(curves) == 1:
        return curves[0][0]
    low, high = (end(curve.percent[i] for curve, _ in curves) for end, i in ((min, 0), (max, -1)))
    grid = np.linspace(low, high, 2 * _POINTS)
    density = sum(
        times * np.interp(grid, curve.percent, curve.density, left=0, right=0)
        for curve, times in curves
    )
    return Curve(grid, np.asarray(density) / drawn.total())


def _smaller(sizes: Sizes) -> int:
    """Return the weights that the smaller of both masks keeps."""
    return min(sum(a for _, a, _ in sizes), sum(b for _, _, b in sizes))


def _law(sizes: Sizes, n_points: int) -> Curve:
    N, a, b = np.array(sizes, np.float64).T
    mean, variance, _ = (float(moment) for moment in moments_total(N, a, b))
    reach = _REACH * np.sqrt(variance) + 1
    low = max(float(np.maximum(0, a + b - N).sum()), np.floor(mean - reach))
    high = min(float(np.minimum(a, b).sum()), np.ceil(mean + reach))
    step = max(1, int((high - low) // n_points))
    x = np.arange(low, high + 1, step)
    if len(sizes) == 1:
        probability = np.exp(log_pmf(x, N[0], a[0], b[0]))
        width, middle = 1.0, x
    else:
        below, _ = log_tails_total(np.append(x, x[-1] + step) - 1, N, a, b)
        probability = np.diff(np.exp(below))
        width, middle = float(step), x + (step - 1) / 2
    scale = 100 / _smaller(sizes)
    return Curve(middle * scale, probability / (width * scale))
