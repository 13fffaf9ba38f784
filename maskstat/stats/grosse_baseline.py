"""The baseline of Grosse & Backes (2020), Appendix B, beside what can be made of it.

`--baseline grosse2020`. The paper iterates the mean of a pair's overlap mask by mask, and an upper
bound beside it to guess a spread. The means are exact (Eq. 6 once read as it must have been meant);
the spread as printed is not one, and no reading of it is calibrated. For tests use
`maskstat.stats.multiway`, which is exact.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from maskstat.errors import UsageError
from maskstat.stats.mask_sizes import checked_count, checked_sizes

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

__all__ = [
    "GrosseBaseline",
    "GrosseSpread",
    "NeverKept",
    "figure4_never",
    "figure4_shared",
    "grosse_never",
    "grosse_shared",
]

_SHARED_NOTE = (
    "mean (Eq. 4) is exact; every spread below is for comparison with the paper only, "
    "use the exact sd and tails"
)
_NEVER_NOTE = (
    "mean is exact: Eq. 6 with the overlap taken with all weights covered so far; as printed it "
    "takes the previous mask's only, which can leave fewer than no weights; every spread below is "
    "for comparison with the paper only, use the exact sd and tails"
)
_LITERAL_NOTE = (
    "invalid: Eq. 3, 5 and 7 drop the factor |t|/mn of the variance in Eq. 2, so the bound can "
    "exceed the masks, and call variance what B.2 calls two sigma"
)
_VARIANCE_NOTE = (
    "not calibrated: Eq. 2's factor put back, but three variances added where the rule cited is "
    "three sigma"
)
_SIGMA_NOTE = (
    "repaired: the three-sigma rule at every step; the steps' bounds pile up, so half_width is "
    "several times the exact sd"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class GrosseSpread:
    """One reading of Appendix B's spread.

    Parameters
    ----------
    reading
        ``literal`` (as printed), ``three-variance`` or ``three-sigma``.
    bound
        The paper's tau^max for shared weights; for never kept ones, what is left when as much as
        possible is covered.
    half_width
        Half the distance of the bound from the mean, the paper's "variance" (B.1) or sigma (B.2).
    valid
        Whether it is a spread at all.
    note
        What is wrong with it.
    """

    reading: str
    bound: float
    half_width: float
    valid: bool
    note: str


@dataclass(frozen=True, slots=True, kw_only=True)
class GrosseBaseline:
    """Appendix B's baseline for one layer.

    Parameters
    ----------
    mean
        Expected number of weights; exact.
    printed_mean
        The same by the paper's formula letter by letter; equal to `mean` for shared weights.
    spreads
        The readings of the spread, the printed one first.
    note
        What of it can be used.
    """

    mean: float
    printed_mean: float
    spreads: tuple[GrosseSpread, ...]
    note: str


@dataclass(frozen=True, slots=True, kw_only=True)
class NeverKept:
    """Weights that no mask keeps, normalised as in the two halves of Figure 4b.

    Parameters
    ----------
    of_layer
        Fraction of the layer (left half).
    of_coverable
        Fraction of what disjoint masks could cover, without the weights that are left over even
        then (right half); None if all masks are empty.
    """

    of_layer: float
    of_coverable: float | None


def grosse_shared(N: int, sizes: Sequence[int]) -> GrosseBaseline:
    """Return Appendix B.1's baseline for the weights shared by all masks.

    Parameters
    ----------
    N
        Weights in the layer, the paper's mn.
    sizes
        Weights kept by each mask, the paper's |t|; with unequal sizes the bounds, unlike the mean,
        depend on their order.

    Returns
    -------
    GrosseBaseline
        Counts of weights.

    Raises
    ------
    UsageError
        A size does not fit the layer.

    Notes
    -----
    Mean by Eq. 4, bound by Eq. 5; the first mask counts fully.

    Examples
    --------
    >>> baseline = grosse_shared(2400, [480] * 5)
    >>> round(baseline.mean, 3), [round(s.bound, 1) for s in baseline.spreads]
    (0.768, [897.6, 74.2, 7.5])
    """
    N, sizes = checked_sizes(N, sizes)
    mean = math.prod([n / N for n in sizes[1:]], start=float(sizes[0]))
    spreads = []
    for reading, widen in _READINGS.items():
        bound = float(sizes[0])
        for n in sizes[1:]:
            bound = n * bound / N + widen(N, n, bound)
        spreads.append(_spread(reading, bound, bound - mean))
    return GrosseBaseline(mean=mean, printed_mean=mean, spreads=tuple(spreads), note=_SHARED_NOTE)


def grosse_never(N: int, sizes: Sequence[int]) -> GrosseBaseline:
    """Return Appendix B.2's baseline for the weights that no mask keeps.

    Parameters
    ----------
    N
        Weights in the layer, the paper's mn.
    sizes
        Weights kept by each mask, the paper's |t|; with unequal sizes the bounds and the printed
        mean, unlike the mean, depend on their order.

    Returns
    -------
    GrosseBaseline
        Counts of weights.

    Raises
    ------
    UsageError
        A size does not fit the layer.

    Notes
    -----
    Eq. 6 and 7 as printed for the printed mean and the literal bound; the others subtract the
    overlap with everything that is covered so far.

    Examples
    --------
    >>> baseline = grosse_never(2400, [1200] * 5)
    >>> baseline.mean, baseline.printed_mean
    (75.0, -1875.0)
    """
    N, sizes = checked_sizes(N, sizes)
    mean = math.prod([(N - n) / N for n in sizes], start=float(N))
    printed = N - sum(_printed_terms(N, sizes, lambda *_: 0.0))
    spreads = []
    for reading, widen in _READINGS.items():
        if reading == "literal":
            left = N - sum(_printed_terms(N, sizes, widen))
            spreads.append(_spread(reading, left, printed - left))
            continue
        covered = float(sizes[0])
        for n in sizes[1:]:
            covered += n - n * covered / N + widen(N, n, covered)
        spreads.append(_spread(reading, N - covered, mean - (N - covered)))
    return GrosseBaseline(mean=mean, printed_mean=printed, spreads=tuple(spreads), note=_NEVER_NOTE)


def figure4_shared(count: float, sizes: Sequence[int]) -> float | None:
    """Return shared weights as in Figure 4a: a fraction of the most that can be shared.

    Parameters
    ----------
    count
        Weights shared by all masks, observed or expected.
    sizes
        Weights kept by each mask.

    Returns
    -------
    float or None
        Divided by the mask size, the smallest if they differ; None if a mask is empty.

    Raises
    ------
    UsageError
        There is no mask.

    Examples
    --------
    >>> figure4_shared(75, [1200] * 5)
    0.0625
    """
    kept = [checked_count(n, f"size of mask {i}") for i, n in enumerate(sizes, 1)]
    if not kept:
        raise UsageError("there are no masks to count", code="no-masks")
    most = min(kept)
    return float(count / most) if most else None


def figure4_never(count: float, N: int, sizes: Sequence[int]) -> NeverKept:
    """Return never-kept weights as in both halves of Figure 4b.

    Parameters
    ----------
    count
        Weights that no mask keeps, observed or expected.
    N
        Weights in the layer.
    sizes
        Weights kept by each mask.

    Returns
    -------
    NeverKept
        Fractions.

    Raises
    ------
    UsageError
        A size does not fit the layer.

    Notes
    -----
    Right half: (B_0 - max(0, N - sum n)) / min(N, sum n).

    Examples
    --------
    >>> never = figure4_never(1417.176, 2400, [240] * 5)
    >>> round(never.of_layer, 5), round(never.of_coverable, 5)
    (0.59049, 0.18098)
    """
    N, sizes = checked_sizes(N, sizes)
    coverable = min(N, sum(sizes))
    return NeverKept(
        of_layer=count / N,
        of_coverable=(count - (N - coverable)) / coverable if coverable else None,
    )


def _printed_terms(
    N: int, sizes: tuple[int, ...], widen: Callable[[int, int, float], float]
) -> list[float]:
    """Return tau_0, tau_1, ... of Eq. 6, or of Eq. 7 with its spread."""
    terms = [float(sizes[0])]
    for n in sizes[1:]:
        terms.append(n - n * terms[-1] / N + widen(N, n, terms[-1]))
    return terms


def _variance(N: int, n: int, tau: float) -> float:
    """Eq. 2, which the paper calls sigma: the overlap of `n` of N weights with `tau` of them."""
    return max(0.0, n * (tau / N) * (1.0 - tau / N) * ((N - n) / max(N - 1, 1)))


def _as_printed(N: int, n: int, tau: float) -> float:
    return 3.0 * n * ((N - tau) / N) * ((N - n) / max(N - 1, 1))


_READINGS: dict[str, Callable[[int, int, float], float]] = {
    "literal": _as_printed,
    "three-variance": lambda N, n, tau: 3.0 * _variance(N, n, tau),
    "three-sigma": lambda N, n, tau: 3.0 * math.sqrt(_variance(N, n, tau)),
}
_NOTES = {"literal": _LITERAL_NOTE, "three-variance": _VARIANCE_NOTE, "three-sigma": _SIGMA_NOTE}


def _spread(reading: str, bound: float, distance: float) -> GrosseSpread:
    return GrosseSpread(
        reading=reading,
        bound=bound,
        half_width=0.5 * distance,
        valid=reading == "three-sigma",
        note=_NOTES[reading],
    )
