"""The initial weights of what was kept: their spread and their histogram."""

from __future__ import annotations

from dataclasses import dataclass
from math import fsum, sqrt
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from maskstat.errors import InputError, LayoutMismatchError, UsageError, closest

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

__all__ = ["InitialWeightStatistics", "LayerInitialWeights", "SelectedWeights", "initial_weights"]

Mask: TypeAlias = NDArray[np.bool_]
Floats: TypeAlias = NDArray[np.float64]
Counts: TypeAlias = NDArray[np.int64]

BLOCK = 1 << 18
_MOST_BINS = 10_000
"""Far more than a figure or a reader can tell apart."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SelectedWeights:
    """Initial values of some of the weights of a layer or of a network.

    Attributes
    ----------
    n
        How many weights.
    mean, sd
        Their mean (None for n = 0) and standard deviation (n - 1 in the denominator; None for
        n < 2).
    sd_ratio
        sd over that of all weights; None where either is None or the latter is 0.
    counts
        Weights in each bin, int64, shape (bins,).
    """

    n: int
    mean: float | None
    sd: float | None
    sd_ratio: float | None
    counts: Counts


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerInitialWeights:
    """Initial weights of one layer or of all layers together.

    Attributes
    ----------
    edges
        Edges of the bins that all counts share, float64, shape (bins + 1,).
    whole
        All weights, pruned or not.
    tickets
        The weights of each ticket.
    consensus
        The weights of the consensus ticket; None without tickets.
    """

    edges: Floats
    whole: SelectedWeights
    tickets: dict[str, SelectedWeights]
    consensus: SelectedWeights | None


@dataclass(frozen=True, slots=True, kw_only=True)
class InitialWeightStatistics:
    """Initial weights layer by layer, in layer order, and over all layers."""

    layers: dict[str, LayerInitialWeights]
    total: LayerInitialWeights


def initial_weights(
    initial: Mapping[str, NDArray[Any]],
    tickets: Mapping[str, Mapping[str, Mask]],
    *,
    consensus: Mapping[str, Mask] | None = None,
    bins: int = 100,
) -> InitialWeightStatistics:
    """Describe the initial weights of each layer, of each ticket and of their consensus.

    Parameters
    ----------
    initial
        Initial weights of each layer, any shape, in layer order.
    tickets
        For each ticket the mask of each layer, bool, of the weights' shape.
    consensus
        The consensus ticket's masks; if left out, the weights that every ticket keeps.
    bins
        Bins of equal width from the smallest to the largest weight of the layer, and for the
        total from the smallest to the largest of all.

    Returns
    -------
    InitialWeightStatistics
        Count, mean, standard deviation and histogram of every selection.

    Raises
    ------
    LayoutMismatchError
        A mask's layers or shape are not the weights'.
    InputError
        There is no layer or an empty one, a weight is not finite, a mask is not bool.
    UsageError
        Less than one bin, or more than 10,000.

    Notes
    -----
    Paganini and Forde (2020), Figures 7 and 17 to 19 (histograms) and 20 (standard deviations by
    layer). Layers of unlike scale make the total a mixture: read its histogram, and its standard
    deviation only beside the layers' own.

    Examples
    --------
    >>> import numpy as np
    >>> weights = {"fc": np.array([-2.0, -1.0, 1.0, 2.0])}
    >>> ticket = {"fc": np.array([True, False, False, True])}
    >>> layer = initial_weights(weights, {"mnist": ticket}, bins=4).layers["fc"]
    >>> round(layer.whole.sd, 3), round(layer.tickets["mnist"].sd, 3)
    (1.826, 2.828)
    >>> layer.consensus.counts.tolist()
    [1, 0, 0, 1]
    """
    if not 1 <= bins <= _MOST_BINS:
        raise UsageError(f"{bins} bins", code="bins", hint=f"ask for 1 to {_MOST_BINS:,}")
    if not initial:
        raise InputError("there are no layers", code="no-layers")
    named = {f"ticket {name}": masks for name, masks in tickets.items()}
    if consensus is not None:
        named["consensus ticket"] = consensus
    for place, masks in named.items():
        _check_masks(initial, masks, place)
    ranges = {layer: _value_range(layer, values) for layer, values in initial.items()}
    lows, highs = zip(*ranges.values(), strict=True)
    overall = _edges(min(lows), max(highs), bins)
    layers, parts = {}, []
    for layer, values in initial.items():
        edges = _edges(*ranges[layer], bins)
        selections = (None, *_layer_masks(layer, tickets, consensus))
        samples = [_Sample.of(np.ravel(values), mask, edges, overall) for mask in selections]
        layers[layer] = _described(samples, list(tickets), edges)
        parts.append(samples)
    merged = [_merged(column) for column in zip(*parts, strict=True)]
    return InitialWeightStatistics(layers=layers, total=_described(merged, list(tickets), overall))


@dataclass(frozen=True, slots=True)
class _Sample:
    """Moments and histograms of a selection; `squares` is the sum of squared deviations."""

    n: int
    mean: float
    squares: float
    counts: Counts
    overall: Counts

    @classmethod
    def of(cls, values: NDArray[Any], mask: Mask | None, edges: Floats, overall: Floats) -> _Sample:
        chosen = values if mask is None else values[mask]
        n = chosen.size
        mean = fsum(float(b.sum()) for b in _blocks(chosen)) / n if n else 0.0
        squares = fsum(float(np.square(b - mean).sum()) for b in _blocks(chosen))
        return cls(n, mean, squares, _histogram(chosen, edges), _histogram(chosen, overall))


def _layer_masks(
    layer: str, tickets: Mapping[str, Mapping[str, Mask]], consensus: Mapping[str, Mask] | None
) -> list[Mask]:
    """Masks of the tickets and of the consensus, flat."""
    masks = [np.ravel(ticket[layer]) for ticket in tickets.values()]
    if consensus is not None:
        return [*masks, np.ravel(consensus[layer])]
    return [*masks, np.logical_and.reduce(masks)] if masks else []


def _merged(samples: Sequence[_Sample]) -> _Sample:
    """One selection over several layers, by their moments."""
    n = sum(s.n for s in samples)
    mean = fsum(s.n * s.mean for s in samples) / n if n else 0.0
    squares = fsum(s.squares + s.n * (s.mean - mean) ** 2 for s in samples)
    counts = np.sum([s.overall for s in samples], axis=0)
    return _Sample(n, mean, squares, counts, counts)


def _described(samples: Sequence[_Sample], names: list[str], edges: Floats) -> LayerInitialWeights:
    """Lay out the samples: all weights, the named tickets, and the consensus if there is one."""
    whole_sd = _sd(samples[0])
    rows = [
        SelectedWeights(
            n=s.n,
            mean=s.mean if s.n else None,
            sd=_sd(s),
            sd_ratio=sd / whole_sd if (sd := _sd(s)) is not None and whole_sd else None,
            counts=s.counts,
        )
        for s in samples
    ]
    end = 1 + len(names)
    return LayerInitialWeights(
        edges=edges,
        whole=rows[0],
        tickets=dict(zip(names, rows[1:end], strict=True)),
        consensus=rows[end] if len(rows) > end else None,
    )


def _sd(sample: _Sample) -> float | None:
    return sqrt(sample.squares / (sample.n - 1)) if sample.n > 1 else None


def _blocks(values: NDArray[Any]) -> Iterator[Floats]:
    for start in range(0, values.size, BLOCK):
        yield values[start : start + BLOCK].astype(np.float64)


def _histogram(values: NDArray[Any], edges: Floats) -> Counts:
    counts = np.zeros(edges.size - 1, dtype=np.int64)
    for block in _blocks(values):
        counts += np.histogram(block, bins=counts.size, range=(edges[0], edges[-1]))[0]
    return counts


def _edges(low: float, high: float, bins: int) -> Floats:
    narrowest = 4 * bins * float(np.spacing(max(abs(low), abs(high))))
    if high - low < narrowest:  # all weights (nearly) alike: no bins fit in between
        middle, half = (low + high) / 2, max(0.5, narrowest)
        low, high = middle - half, middle + half
    edges: Floats = np.linspace(low, high, bins + 1)
    return edges


def _value_range(layer: str, values: NDArray[Any]) -> tuple[float, float]:
    if not values.size:
        raise InputError("the layer has no weights", code="empty-layer", place=f"layer {layer}")
    low, high = float(values.min()), float(values.max())
    if not np.isfinite(high - low):
        raise InputError(
            "an initial weight is infinite or not a number",
            code="not-finite",
            place=f"layer {layer}",
        )
    return low, high


def _check_masks(
    initial: Mapping[str, NDArray[Any]], masks: Mapping[str, Mask], place: str
) -> None:
    for layer in {**initial, **masks}:
        if layer not in masks or layer not in initial:
            known = initial if layer in masks else masks
            raise LayoutMismatchError(
                f"layer {layer} has {'a mask' if layer in masks else 'initial weights'} only",
                code="layer-missing",
                place=place,
                consequence=closest(layer, known),
            )
        if masks[layer].shape != initial[layer].shape:
            raise LayoutMismatchError(
                f"layer {layer} has a mask of shape {masks[layer].shape}"
                f" and weights of shape {initial[layer].shape}",
                code="shape-mismatch",
                place=place,
            )
        if masks[layer].dtype != np.bool_:
            raise InputError(
                f"layer {layer} has a mask of type {masks[layer].dtype}, not bool",
                code="mask-type",
                place=place,
            )
