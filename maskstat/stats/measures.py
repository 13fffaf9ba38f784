"""Other measures of how alike two masks are, as functions of four counts.

At fixed sizes every one of them rises or falls with the overlap, so one p-value serves them all.
NaN means undefined.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

import numpy as np
from numpy.typing import ArrayLike, NDArray

from maskstat.errors import UsageError, closest
from maskstat.stats.hypergeometric import excess, moments
from maskstat.stats.jaccard import adjusted_jaccard, jaccard

__all__ = ["MEASURES", "measure"]

Floats = NDArray[np.float64]
Measure = Callable[[Floats, Floats, Floats, Floats], Floats]


def measure(name: str, x: ArrayLike, N: ArrayLike, a: ArrayLike, b: ArrayLike) -> Floats:
    """Return one of `MEASURES` for overlaps of masks.

    Parameters
    ----------
    name
        ==================== ============================================================
        jaccard              x / (a + b - x); 1 where both masks are empty
        dice                 2 x / (a + b); 1 where both masks are empty
        containment          x / min(a, b): 1 where one mask lies in the other
        hamming              weights that one mask alone keeps, a + b - 2 x
        hamming-normalized   the same as a share of N
        kappa                Cohen's: (x - m) / ((a + b)/2 - m), also chance-adjusted Dice
        mcc                  Matthews' correlation coefficient (phi)
        log-odds             ln odds ratio of the 2 x 2 table, 0.5 added to each cell (Haldane)
        log-odds-se          its standard error (Woolf)
        lift                 x / m, a multiple of chance
        z                    (x - m) / sd = mcc sqrt(N - 1)
        adjusted-overlap     (x - m) / (min(a, b) - m): 0 at chance, 1 at containment
        adjusted-jaccard     (J - E[J]) / (max J - E[J])
        ==================== ============================================================

        with m = a b / N, the overlap expected by chance.
    x, N, a, b
        Overlap, weights in the layer, weights that the two masks keep; shapes broadcast.

    Returns
    -------
    numpy.ndarray
        float64 of the broadcast shape; NaN where undefined.

    Raises
    ------
    UsageError
        If there is no such measure, or the sizes are impossible.

    Examples
    --------
    >>> float(measure("lift", 30, 100, 40, 50))
    1.5
    """
    if name not in MEASURES:
        raise UsageError(
            f"there is no measure {name!r}",
            code="unknown-measure",
            consequence=closest(name, MEASURES, limit=20),
        )
    counts = np.broadcast_arrays(*(np.asarray(v, dtype=np.float64) for v in (x, N, a, b)))
    moments(*counts[1:])  # refuses impossible sizes
    return np.asarray(MEASURES[name](*counts))


def _ratio(numerator: Floats, denominator: Floats) -> Floats:
    """Divide; NaN where the denominator is 0."""
    defined = denominator != 0
    return np.where(defined, numerator / np.where(defined, denominator, 1.0), np.nan)


def _jaccard(x: Floats, N: Floats, a: Floats, b: Floats) -> Floats:
    return jaccard(x, a, b)


def _dice(x: Floats, N: Floats, a: Floats, b: Floats) -> Floats:
    return np.where(a + b == 0, 1.0, _ratio(2 * x, a + b))


def _containment(x: Floats, N: Floats, a: Floats, b: Floats) -> Floats:
    return _ratio(x, np.minimum(a, b))


def _hamming(x: Floats, N: Floats, a: Floats, b: Floats) -> Floats:
    return (a - x) + (b - x)


def _hamming_normalized(x: Floats, N: Floats, a: Floats, b: Floats) -> Floats:
    return _ratio((a - x) + (b - x), N)


def _mean(N: Floats, a: Floats, b: Floats) -> Floats:
    return moments(N, a, b)[0]


def _kappa(x: Floats, N: Floats, a: Floats, b: Floats) -> Floats:
    # (a + b)/2 - ab/N with its terms paired so that two full masks give exactly 0.
    size = np.maximum(N, 1.0)
    return _ratio(excess(x, N, a, b), 0.5 * (a * ((N - b) / size) + b * ((N - a) / size)))


def _mcc(x: Floats, N: Floats, a: Floats, b: Floats) -> Floats:
    size = np.maximum(N, 1.0)
    spread = np.sqrt(a * ((N - a) / size)) * np.sqrt(b * ((N - b) / size))
    return _ratio(excess(x, N, a, b), spread)


def _log_odds(x: Floats, N: Floats, a: Floats, b: Floats) -> Floats:
    both, only_a, only_b, neither = _haldane(x, N, a, b)
    return np.log(both) - np.log(only_a) - np.log(only_b) + np.log(neither)


def _log_odds_se(x: Floats, N: Floats, a: Floats, b: Floats) -> Floats:
    return np.sqrt(sum((1.0 / cell for cell in _haldane(x, N, a, b)), start=np.zeros_like(x)))


def _haldane(x: Floats, N: Floats, a: Floats, b: Floats) -> tuple[Floats, Floats, Floats, Floats]:
    return x + 0.5, (a - x) + 0.5, (b - x) + 0.5, ((N - a) - (b - x)) + 0.5


def _lift(x: Floats, N: Floats, a: Floats, b: Floats) -> Floats:
    return _ratio(x, _mean(N, a, b))


def _z(x: Floats, N: Floats, a: Floats, b: Floats) -> Floats:
    return _ratio(excess(x, N, a, b), np.sqrt(moments(N, a, b)[1]))


def _adjusted_overlap(x: Floats, N: Floats, a: Floats, b: Floats) -> Floats:
    # min(a, b) - ab/N is the smaller mask's size times what the larger one leaves out.
    size = np.maximum(N, 1.0)
    return _ratio(excess(x, N, a, b), np.minimum(a, b) * ((N - np.maximum(a, b)) / size))


MEASURES: Mapping[str, Measure] = MappingProxyType(
    {
        "jaccard": _jaccard,
        "dice": _dice,
        "containment": _containment,
        "hamming": _hamming,
        "hamming-normalized": _hamming_normalized,
        "kappa": _kappa,
        "mcc": _mcc,
        "log-odds": _log_odds,
        "log-odds-se": _log_odds_se,
        "lift": _lift,
        "z": _z,
        "adjusted-overlap": _adjusted_overlap,
        "adjusted-jaccard": adjusted_jaccard,
    }
)
