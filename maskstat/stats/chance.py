"""What chance gives for each pair and layer: expectation, interval and p under a null."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from maskstat.stats import hypergeometric as hg
from maskstat.stats import pairtest, stratified
from maskstat.stats.jaccard import expected_jaccard, expected_jaccard_total
from maskstat.stats.pairs import PairCounts
from maskstat.stats.pairtest import Alternative

if TYPE_CHECKING:
    from maskstat.stats.nulls import LayerChance

__all__ = ["Chance", "pooled_chance", "replace_cells", "uniform_chance"]

Floats = NDArray[np.float64]


class Chance(NamedTuple):
    """The overlap that chance gives; P pairs, L layers, the total last: shape (P, L + 1).

    Parameters
    ----------
    null : str (P, L + 1)
        The null that each value is under.
    expected, sd
        Mean and standard deviation of the shared weights.
    low95, high95, low99, high99
        Central regions, ends included, in which a doubled p exceeds 5 % and 1 %; NaN if unknown.
    expected_jaccard, sd_jaccard
        Mean and standard deviation of the Jaccard index: exact for layers under a hypergeometric
        law and for channels, by the delta method elsewhere.
    log10_p
        log10 of the p-value; NaN where nothing can be tested.
    untestable
        Where the masks' sizes allow one overlap only.
    note : str (P, L + 1)
        What has to be said of a value.
    """

    null: NDArray[np.str_]
    expected: Floats
    sd: Floats
    low95: Floats
    high95: Floats
    low99: Floats
    high99: Floats
    expected_jaccard: Floats
    sd_jaccard: Floats
    log10_p: Floats
    untestable: NDArray[np.bool_]
    note: NDArray[np.str_]


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
        every layer's sizes fixed. ``fisher`` is not defined for totals, which are doubled then.

    Raises
    ------
    UsageError
        The alternative does not exist, or does not go with mid-p.
    """
    N, a, b, x = counts.sizes, counts.kept_a, counts.kept_b, counts.shared
    layer_p = pairtest.p_values(x, N, a, b, alternative=alternative, mid_p=mid_p)
    for_total: Alternative = "two-sided" if alternative == "fisher" else alternative
    total_p = stratified.p_values_total(x.sum(axis=1), N, a, b, alternative=for_total, mid_p=mid_p)
    mean, variance, _ = hg.moments(N, a, b)
    total_mean, total_variance, _ = stratified.moments_total(N, a, b)
    alpha = np.array([0.05, 0.01])
    layers = pairtest.interval(N, a, b, alpha=alpha[:, None, None])
    totals = stratified.interval_total(
        np.broadcast_to(N, (2, *x.shape)), a, b, alpha=alpha[:, None]
    )
    (low95, low99), (high95, high99) = (
        map(_beside, *ends) for ends in zip(layers, totals, strict=True)
    )
    layer_j, layer_sd_j = expected_jaccard(N, a, b)
    total_j, total_sd_j = expected_jaccard_total(N, a, b)
    untestable = np.column_stack(
        [pairtest.untestable(N, a, b), stratified.untestable_total(N, a, b)]
    )
    null = np.full(untestable.shape, "layer", dtype="U20")
    null[:, -1] = "stratified"
    return Chance(
        null=null,
        expected=_beside(mean, total_mean),
        sd=np.sqrt(np.maximum(_beside(variance, total_variance), 0)),
        low95=low95,
        high95=high95,
        low99=low99,
        high99=high99,
        expected_jaccard=_beside(layer_j, total_j),
        sd_jaccard=_beside(layer_sd_j, total_sd_j),
        log10_p=np.where(untestable, np.nan, _beside(layer_p, total_p)),
        untestable=untestable,
        note=np.full(untestable.shape, "", dtype="U160"),
    )


def pooled_chance(
    counts: PairCounts, base: Chance, *, alternative: Alternative, mid_p: bool
) -> Chance:
    """Test totals as if all weights of the network were exchangeable.

    Parameters
    ----------
    counts
        P pairs over L layers.
    base
        From `uniform_chance`; its layers are kept.
    alternative, mid_p
        As for `uniform_chance`.

    Returns
    -------
    Chance
    """
    N = counts.sizes.sum()
    a, b, x = (v.sum(axis=1) for v in (counts.kept_a, counts.kept_b, counts.shared))
    mean, variance, _ = hg.moments(N, a, b)
    index, sd_index = expected_jaccard(N, a, b)
    values = {
        "null": "pooled",
        "expected": mean,
        "expected_jaccard": index,
        "sd_jaccard": sd_index,
        "sd": np.sqrt(variance),
        "log10_p": pairtest.p_values(x, N, a, b, alternative=alternative, mid_p=mid_p),
        "untestable": pairtest.untestable(N, a, b),
    }
    for level, alpha in (("95", 0.05), ("99", 0.01)):
        values[f"low{level}"], values[f"high{level}"] = pairtest.interval(N, a, b, alpha=alpha)
    arrays = {name: getattr(base, name).copy() for name in values}
    for name, value in values.items():
        arrays[name][:, -1] = value
    return base._replace(**arrays)


def replace_cells(
    base: Chance,
    cells: dict[tuple[int, int], LayerChance],
    kept: NDArray[np.int64],
    *,
    alternative: Alternative,
    mid_p: bool,
) -> Chance:
    """Put other chance models into some cells.

    Parameters
    ----------
    base
        What all other cells keep.
    cells
        By (pair, layer); the layer after the last is the total.
    kept : int64 (P, L + 1)
        Weights kept by the first mask and by the second, added.
    alternative, mid_p
        As for `uniform_chance`; mid-p only where the probability of the observed overlap is known.

    Returns
    -------
    Chance
    """
    arrays = {name: getattr(base, name).copy() for name in Chance._fields}
    for cell, chance in cells.items():
        fixed = chance.variance <= 0
        arrays["null"][cell] = chance.null
        doubled = "; p by doubled tails" if alternative == "fisher" else ""
        arrays["note"][cell] = chance.note + doubled
        index = _jaccard(chance, int(kept[cell]))
        arrays["expected_jaccard"][cell], arrays["sd_jaccard"][cell] = index
        arrays["expected"][cell] = chance.mean
        arrays["sd"][cell] = np.sqrt(max(chance.variance, 0))
        arrays["low95"][cell], arrays["high95"][cell] = chance.interval95
        arrays["low99"][cell], arrays["high99"][cell] = chance.interval99
        arrays["untestable"][cell] = fixed
        arrays["log10_p"][cell] = np.nan if fixed else _log10_p(chance, alternative, mid_p)
    return Chance(**arrays)


def _jaccard(chance: LayerChance, kept: int) -> tuple[float, float]:
    """Return mean and sd of the Jaccard index: exact for a written-out law, else by its moments."""
    if kept == 0:
        return 1.0, 0.0
    if chance.law is not None:
        return chance.law.jaccard(kept)
    mean, variance = chance.mean, max(chance.variance, 0.0)
    rest = kept - mean
    index = mean / rest + kept * (variance / rest**3 + 3 * variance**2 / rest**5)
    return index, kept * math.sqrt(variance) / rest**2


def _log10_p(chance: LayerChance, alternative: Alternative, mid_p: bool) -> float:
    pairtest.check_alternative(alternative, mid_p=mid_p)
    tails = [np.array([v]) for v in (chance.log_at_most, chance.log_at_least, chance.log_at)]
    at_x = tails[2] if mid_p and not np.isnan(chance.log_at) else None
    two_sided: Alternative = "two-sided" if alternative == "fisher" else alternative
    log_p = pairtest.choose_tail(tails[0], tails[1], at_x, two_sided)
    return float(min(log_p[0], 0.0)) / pairtest.LN10


def _beside(layers: NDArray[np.generic], totals: NDArray[np.generic]) -> Floats:
    """Put the totals behind the layers."""
    return np.column_stack([layers, totals]).astype(np.float64)
