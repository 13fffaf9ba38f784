"""What chance gives for each pair and layer: expectation, interval and p under a null."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from maskstat.stats import hypergeometric as hg
from maskstat.stats import pairtest, stratified
from maskstat.stats.pairs import PairCounts
from maskstat.stats.pairtest import Alternative

__all__ = ["Chance", "uniform_chance"]

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Chance:
    """The overlap that chance gives; P pairs, L layers, the total last: shape (P, L + 1).

    Parameters
    ----------
    null : str (P, L + 1)
        The null that each value is under.
    expected, sd
        Mean and standard deviation of the shared weights.
    low95, high95, low99, high99
        Central regions, ends included, in which a doubled p exceeds 5 % and 1 %.
    log10_p
        log10 of the p-value; NaN where nothing can be tested.
    untestable
        Where the masks' sizes allow one overlap only.
    """

    null: NDArray[np.str_]
    expected: Floats
    sd: Floats
    low95: Floats
    high95: Floats
    low99: Floats
    high99: Floats
    log10_p: Floats
    untestable: NDArray[np.bool_]


def uniform_chance(
    counts: PairCounts, *, alternative: Alternative = "two-sided", mid_p: bool = False
) -> Chance:
    """Take masks as uniform among those that keep as many weights in every layer.

    Parameters
    ----------
    counts
        P pairs over L layers.
    alternative
        ``two-sided`` doubles the smaller tail; ``fisher``, ``greater``, ``less``.
    mid_p
        Count the observed overlap half in each tail.

    Returns
    -------
    Chance
        Layers under the exact hypergeometric law; totals under the sum of independent layers,
        every layer's sizes fixed.

    Raises
    ------
    UsageError
        The alternative does not exist, or is not defined for totals.
    """
    N, a, b, x = counts.sizes, counts.kept_a, counts.kept_b, counts.shared
    mean, variance, _ = hg.moments(N, a, b)
    total_mean, total_variance, _ = stratified.moments_total(N, a, b)
    low95, high95 = _with_totals(
        pairtest.interval(N, a, b, alpha=0.05), stratified.interval_total(N, a, b, alpha=0.05)
    )
    low99, high99 = _with_totals(
        pairtest.interval(N, a, b, alpha=0.01), stratified.interval_total(N, a, b, alpha=0.01)
    )
    total_p = stratified.p_values_total(
        x.sum(axis=1), N, a, b, alternative=alternative, mid_p=mid_p
    )
    log10_p = _beside(pairtest.p_values(x, N, a, b, alternative=alternative, mid_p=mid_p), total_p)
    untestable = np.column_stack(
        [pairtest.untestable(N, a, b), stratified.untestable_total(N, a, b)]
    )
    null = np.full(untestable.shape, "layer", dtype="U16")
    null[:, -1] = "stratified"
    return Chance(
        null=null,
        expected=_beside(mean, total_mean),
        sd=np.sqrt(np.maximum(_beside(variance, total_variance), 0)),
        low95=low95,
        high95=high95,
        low99=low99,
        high99=high99,
        log10_p=np.where(untestable, np.nan, log10_p),
        untestable=untestable,
    )


def _beside(layers: NDArray[np.generic], totals: NDArray[np.generic]) -> Floats:
    """Put the totals behind the layers."""
    return np.column_stack([layers, totals]).astype(np.float64)


def _with_totals(
    layers: tuple[NDArray[np.int64], NDArray[np.int64]],
    totals: tuple[NDArray[np.int64], NDArray[np.int64]],
) -> tuple[Floats, Floats]:
    return _beside(layers[0], totals[0]), _beside(layers[1], totals[1])
