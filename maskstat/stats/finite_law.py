"""Laws written out value by value: sums of a few independent overlaps, whatever their lattices.

Overlaps of channel-pruned layers jump by whole channels, so neither a smooth density nor a normal
law describes their sums. Their supports are small enough to add exactly.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from maskstat.stats._quantile import TIE
from maskstat.stats.channel import ChannelNull
from maskstat.stats.hypergeometric import log_pmf, support

__all__ = ["FiniteLaw", "add_laws", "channel_law", "overlap_law"]

Floats = NDArray[np.float64]

LARGEST = 200_000  # values of a sum
_LARGEST_TABLE = 20_000_000  # pairs of values while two laws are added


class FiniteLaw(NamedTuple):
    """A law on finitely many whole numbers.

    Parameters
    ----------
    values : float64 (n,)
        Ascending.
    log_p : float64 (n,)
        ln of their probabilities.
    """

    values: Floats
    log_p: Floats

    def log_tails(self, x: float) -> tuple[float, float, float]:
        """Return ln P(X <= x), ln P(X >= x) and ln P(X = x)."""

        def log_sum(chosen: NDArray[np.bool_]) -> float:
            if not chosen.any():
                return -math.inf
            return min(float(np.logaddexp.reduce(self.log_p[chosen])), 0.0)

        return log_sum(self.values <= x), log_sum(self.values >= x), log_sum(self.values == x)

    def region(self, alpha: float) -> tuple[float, float]:
        """Return the least and the largest value whose smaller tail exceeds alpha / 2."""
        level = math.log(alpha / 2) + TIE
        at_most = np.logaddexp.accumulate(self.log_p)
        at_least = np.logaddexp.accumulate(self.log_p[::-1])[::-1]
        return (
            float(self.values[np.argmax(at_most > level)]),
            float(self.values[self.values.size - 1 - np.argmax(at_least[::-1] > level)]),
        )

    def jaccard(self, kept: int) -> tuple[float, float]:
        """Return mean and standard deviation of X / (kept - X), kept being both masks' weights."""
        p = np.exp(self.log_p)
        index = self.values / np.maximum(kept - self.values, 1)
        mean = float(p @ index)
        return mean, math.sqrt(max(float(p @ (index - mean) ** 2), 0.0))


def overlap_law(N: int, a: int, b: int, *, fan: int = 1) -> FiniteLaw | None:
    """Write out a hypergeometric overlap of units of `fan` weights; None if it is too wide."""
    low, high = (int(end) for end in support(N, a, b))
    if high - low >= LARGEST:
        return None
    x = np.arange(low, high + 1.0)
    return FiniteLaw(fan * x, log_pmf(x, N, a, b))


def channel_law(null: ChannelNull) -> FiniteLaw | None:
    """Write out the shared weights of two channel-pruned masks; None if it is too wide."""
    law: FiniteLaw | None = FiniteLaw(np.array([float(null.fan)]), np.zeros(1))
    for sizes in zip(null.channels, null.kept_a, null.kept_b, strict=True):
        axis = overlap_law(*sizes)
        if law is None or axis is None or law.values.size * axis.values.size > _LARGEST_TABLE:
            return None
        law = _merged(
            np.multiply.outer(law.values, axis.values), np.add.outer(law.log_p, axis.log_p)
        )
    return law


def add_laws(laws: Sequence[FiniteLaw | None]) -> FiniteLaw | None:
    """Return the law of a sum of independent overlaps.

    Parameters
    ----------
    laws
        One a layer; None where a layer's is too wide to write out.

    Returns
    -------
    FiniteLaw or None
        None if the sum's is.
    """
    total: FiniteLaw | None = FiniteLaw(np.zeros(1), np.zeros(1))
    for law in laws:
        if total is None or law is None or total.values.size * law.values.size > _LARGEST_TABLE:
            return None
        total = _merged(
            np.add.outer(total.values, law.values), np.add.outer(total.log_p, law.log_p)
        )
        if total.values.size > LARGEST:
            return None
    return total


def _merged(values: Floats, log_p: Floats) -> FiniteLaw:
    """Add up the probabilities of equal values."""
    order = np.argsort(values, axis=None, kind="stable")
    flat, logs = values.reshape(-1)[order], log_p.reshape(-1)[order]
    starts = np.flatnonzero(np.append(True, np.diff(flat) > 0))
    return FiniteLaw(flat[starts], np.logaddexp.reduceat(logs, starts))
