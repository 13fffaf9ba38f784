"""Chance models that look inside a layer: channels, rows, columns, margins, inheritance."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias, get_args

import numpy as np

from maskstat.bits import BoolArray
from maskstat.errors import InputError, UsageError
from maskstat.stats._quantile import TIE
from maskstat.stats.channel import channel_interval, channel_null
from maskstat.stats.chi_square import normal_log_sf
from maskstat.stats.finite_law import FiniteLaw, add_laws, channel_law, overlap_law
from maskstat.stats.hypergeometric import moments
from maskstat.stats.inherited import (
    inherited_cumulants,
    inherited_log_tails,
    total_inherited_log_tails,
)
from maskstat.stats.lattice import LogTails
from maskstat.stats.margins import margins_null
from maskstat.stats.stratified import interval_total, log_tails_total
from maskstat.stats.structured import Structure, alive_null, null_for
from maskstat.stats.units import UnitNull

__all__ = [
    "NULLS",
    "LayerChance",
    "Null",
    "channel_chance",
    "channel_total",
    "inherited_chance",
    "inherited_total",
    "margins_chance",
    "sum_chance",
    "uniform_layer",
    "unit_total",
    "unknown_null",
]

Null: TypeAlias = Literal[
    "auto", "layer", "stratified", "pooled", "channel", "row", "column", "margins", "parent",
    "inherit",
]  # fmt: skip
"""`auto` is `layer` for layers and `stratified` for totals, `channel` for structured layers."""

NULLS = get_args(Null)

Interval: TypeAlias = tuple[float, float]
_UNKNOWN: Interval = (math.nan, math.nan)


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerChance:
    """The overlap that chance gives in one layer, or in the total, of one pair.

    Parameters
    ----------
    null
        The chance model.
    mean, variance
        Of the shared weights.
    log_at_most, log_at_least, log_at
        ln P(X <= x), P(X >= x), P(X = x) at the observed overlap; NaN where unknown.
    interval95, interval99
        Central regions of the shared weights; NaN where unknown.
    note
        What the numbers are, where that has to be said.
    law
        The law written out, where it is known value by value.
    """

    null: str
    mean: float
    variance: float
    log_at_most: float
    log_at_least: float
    log_at: float = math.nan
    interval95: Interval = _UNKNOWN
    interval99: Interval = _UNKNOWN
    note: str = ""
    law: FiniteLaw | None = None


def channel_chance(
    a: BoolArray, b: BoolArray, left: Structure, right: Structure, *, required: bool, place: str
) -> LayerChance | None:
    """Test one layer with channels as the units of chance, if both masks lost whole channels.

    Parameters
    ----------
    a, b : bool, the layer's shape
    left, right
        What `detect_structure` found in them.
    required
        Whether this null was asked for: a layer that is not structured is an error then, and one
        with single weights pruned beside whole channels is tested given its live channels.
    place
        The layer's name, for the error.

    Returns
    -------
    LayerChance or None
        None for a layer that is not structured, or that one of the masks keeps or prunes whole.

    Raises
    ------
    InputError
        The masks are not structured, and `required` is set.
    """
    kind = null_for(left, right)
    if kind == "alive" and required:
        alive = alive_null(a, b)
        return _normal("alive", alive.shared, alive.mean, alive.variance, alive.note)
    if kind != "channel":
        trivial = {left.kind, right.kind} & {"empty", "dense"}
        if required and not trivial:
            raise InputError(
                "a mask does not consist of whole channels",
                code="not-structured",
                place=place,
                consequence="the channel null does not apply",
                hint="--null auto, which tests each layer by what it is",
            )
        return None
    null = channel_null(left, right)
    law = channel_law(null)

    def interval(alpha: float) -> Interval:
        return channel_interval(null, alpha=alpha) if law is None else law.region(alpha)

    return LayerChance(
        null="channel",
        mean=null.mean,
        variance=null.variance,
        log_at_most=null.log_p_le,
        log_at_least=null.log_p_ge,
        log_at=null.log_p_at,
        interval95=interval(0.05),
        interval99=interval(0.01),
        note="tested by channel",
        law=law,
    )


def uniform_layer(N: int, a: int, b: int) -> LayerChance:
    """Return the uniform null of one layer as a term of a total."""
    mean, variance, _ = (float(moment) for moment in moments(N, a, b))
    return LayerChance(
        null="layer",
        mean=mean,
        variance=variance,
        log_at_most=math.nan,
        log_at_least=math.nan,
        law=overlap_law(N, a, b),
    )


def channel_total(layers: Sequence[LayerChance], shared: int) -> LayerChance:
    """Add independent layers of which some are tested by channel, value by value.

    Parameters
    ----------
    layers
        One a layer.
    shared
        Observed total overlap.

    Returns
    -------
    LayerChance
        Exact; without p and regions where the sum has too many values to be written out, or a
        layer is partially structured, for no smooth law describes overlaps that jump by channels.
    """
    law = add_laws([layer.law for layer in layers])
    total = LayerChance(
        null="stratified-channel",
        mean=sum(layer.mean for layer in layers),
        variance=sum(layer.variance for layer in layers),
        log_at_most=math.nan,
        log_at_least=math.nan,
        note="layers of whole channels tested by channel",
        law=law,
    )
    if law is None:
        partial = any(layer.null == "alive" for layer in layers)
        why = "a layer lost single weights too, so its law" if partial else "the law of the total"
        return replace(total, note=f"{why} cannot be written out: no p")
    at_most, at_least, at = law.log_tails(shared)
    return replace(
        total,
        log_at_most=at_most,
        log_at_least=at_least,
        log_at=at,
        interval95=law.region(0.05),
        interval99=law.region(0.01),
    )


def unit_total(units: Sequence[UnitNull]) -> LayerChance:
    """Add layers whose rows or columns are fixed: all their units are strata of one sum.

    Parameters
    ----------
    units
        One result a layer.

    Returns
    -------
    LayerChance
        Exact.
    """
    fixed = sum(unit.fixed for unit in units)
    shared = sum(unit.shared for unit in units)
    N, a, b = (np.concatenate([getattr(unit, key) for unit in units]) for key in ("N", "a", "b"))
    at_most, at_least = log_tails_total(shared - fixed, N, a, b) if N.size else (0.0, 0.0)

    def interval(alpha: float) -> Interval:
        if not N.size:
            return fixed, fixed
        low, high = interval_total(N, a, b, alpha=alpha)
        return fixed + int(low), fixed + int(high)

    return LayerChance(
        null=units[0].by,
        mean=sum(unit.mean for unit in units),
        variance=sum(unit.variance for unit in units),
        log_at_most=float(at_most),
        log_at_least=float(at_least),
        interval95=interval(0.05),
        interval99=interval(0.01),
    )


def margins_chance(a: BoolArray, b: BoolArray) -> LayerChance:
    """Test one layer with the kept weights of every row and every column fixed; approximate."""
    null = margins_null(a, b)
    return _normal("margins", null.shared, null.mean, null.variance, null.note)


Inheritance: TypeAlias = tuple[int, int, int, int, int, int]
"""Overlap now; overlap, first and second mask at the previous iteration; both masks now."""

_InheritedSizes: TypeAlias = tuple[int, int, int, int, int]
"""The same without the overlap now."""


def inherited_chance(counts: Inheritance) -> LayerChance:
    """Test whether one layer's overlap is more than what the previous iteration leaves."""
    x, size = counts[0], counts[1:]
    return _inherited(x, [size], lambda v: inherited_log_tails(v, *size))


def inherited_total(layers: Sequence[Inheritance]) -> LayerChance:
    """Add layers under the inherit null; exact."""
    x, sizes = sum(layer[0] for layer in layers), [layer[1:] for layer in layers]
    return _inherited(x, sizes, lambda v: total_inherited_log_tails(v, sizes))


def _inherited(
    x: int, sizes: Sequence[_InheritedSizes], tails: Callable[[int], LogTails]
) -> LayerChance:
    """Test an overlap of layers that inherit, tails of their sum given."""
    parts = [inherited_cumulants(*size) for size in sizes]
    mean = float(sum(part.mean for part in parts))
    variance = float(sum(part.variance for part in parts))
    most = sum(min(c, a_next, b_next) for c, _, _, a_next, b_next in sizes)
    observed = tails(x)
    return LayerChance(
        null="inherit",
        mean=mean,
        variance=variance,
        log_at_most=observed.le,
        log_at_least=observed.ge,
        log_at=observed.eq,
        interval95=_search(tails, mean, variance, most, 0.05),
        interval99=_search(tails, mean, variance, most, 0.01),
    )


def _search(
    tails: Callable[[int], LogTails], mean: float, variance: float, most: int, alpha: float
) -> Interval:
    """Find by bisection the least and the largest overlap whose smaller tail exceeds alpha / 2."""
    level = math.log(alpha / 2) + TIE
    reach = 6 * math.sqrt(variance) + 6

    def first(holds: Callable[[int], bool], low: int, high: int) -> int:
        while low < high:
            middle = (low + high) // 2
            low, high = (low, middle) if holds(middle) else (middle + 1, high)
        return low

    start, stop = max(0, math.floor(mean - reach)), min(most, math.ceil(mean + reach))
    least = first(lambda v: tails(v).le > level, start, stop)
    beyond = first(lambda v: tails(v).ge <= level, least, stop + 1) if least <= stop else stop + 1
    return least, beyond - 1


def sum_chance(layers: Sequence[LayerChance], shared: int, *, null: str) -> LayerChance:
    """Add independent layers by their moments.

    Parameters
    ----------
    layers
        One a layer.
    shared
        Observed total overlap.
    null
        What to call the result.

    Returns
    -------
    LayerChance
        Mean and variance exact where the layers' are; tails of a normal law, and a note says so.
    """
    mean = sum(layer.mean for layer in layers)
    variance = sum(layer.variance for layer in layers)
    return _normal(null, shared, mean, variance, "total by normal approximation")


def _normal(null: str, shared: int, mean: float, variance: float, note: str) -> LayerChance:
    """Tails and regions of a normal law with a correction for continuity."""
    sd = math.sqrt(max(variance, 0.0))
    if sd == 0:
        return LayerChance(
            null=null, mean=mean, variance=0.0, log_at_most=0.0, log_at_least=0.0, note=note
        )

    def region(z: float) -> Interval:
        # Inside are the overlaps whose tails, corrected for continuity, exceed the level.
        return (
            max(0, math.floor(mean - z * sd - 0.5) + 1),
            math.ceil(mean + z * sd + 0.5) - 1,
        )

    return LayerChance(
        null=null,
        mean=mean,
        variance=variance,
        log_at_most=normal_log_sf((mean - shared - 0.5) / sd),
        log_at_least=normal_log_sf((shared - 0.5 - mean) / sd),
        interval95=region(1.959963984540054),
        interval99=region(2.5758293035489004),
        note=note,
    )


def unknown_null(name: str) -> UsageError:
    """Say which nulls there are."""
    return UsageError(
        f"there is no null '{name}'",
        code="unknown-null",
        place="--null",
        consequence=f"there are: {', '.join(NULLS)}",
    )
