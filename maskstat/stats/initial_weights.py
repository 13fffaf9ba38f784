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

__all__ = ["InitialWeights", "SelectedWeights", "initial_weights"]

Masks: TypeAlias = "Mapping[str, NDArray[np.bool_]]"

WHOLE, CONSENSUS, TOTAL = "layer", "consensus", "total"
BLOCK = 1 << 18


@dataclass(frozen=True, slots=True, kw_only=True)
class SelectedWeights:
    """Initial weights of one selection out of a layer, or out of all layers.

    Attributes
    ----------
    selection
        ``layer`` for all weights, ``consensus``, or a ticket's name.
    n
        Weights selected.
    mean, sd
        Mean and standard deviation (n - 1 in the denominator) of their initial values; None for
        n = 0 and n < 2.
    sd_ratio
        sd over that of all weights; None where either is None or the latter is 0.
    counts
        Weights in each bin, int64.
    """

    selection: str
    n: int
    mean: float | None
    sd: float | None
    sd_ratio: float | None
    counts: NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class InitialWeights:
    """Initial weights of one layer (or ``total``), selection by selection.

    Attributes
    ----------
    layer
        Name of the layer, ``total`` for all of them.
    edges
        The bins' edges that all selections share, float64, one more than there are bins.
    selections
        All weights first, then every ticket, then the consensus ticket.
    """

    layer: str
    edges: NDArray[np.float64]
    selections: tuple[SelectedWeights, ...]


@dataclass(frozen=True, slots=True)
class _Moments:
    """Count, mean and sum of squared deviations, which can be merged."""

    n: int
    mean: float
    squares: float


def initial_weights(
    initial: Mapping[str, NDArray[Any]],
    tickets: Mapping[str, Masks],
    *,
    consensus: Masks | None = None,
    bins: int = 100,
) -> tuple[InitialWeights, ...]:
    """Describe the initial weights in each layer, inside each ticket and inside their consensus.

    Parameters
    ----------
    initial
        Initial weights of each layer, any shape, in layer order.
    tickets
        For each ticket's name the mask of each layer, bool, of the weights' shape.
    consensus
        The consensus ticket's masks; the weights that every ticket keeps if left out.
    bins
        Bins of equal width from the smallest to the largest weight of the layer; for the total,
        of all layers.

    Returns
    -------
    tuple of InitialWeights
        One for each layer, then the total.

    Raises
    ------
    LayoutMismatchError
        A mask's layers or shape are not the weights'.
    InputError
        No layers, or a weight is not finite.
    UsageError
        Less than one bin.

    Notes
    -----
    Paganini and Forde (2020), Figures 7 and 17 to 19 (histograms over all layers) and Figure 20
    (standard deviation layer by layer). The total is not the mean of the layers: it holds their
    different means and scales.

    Examples
    --------
    >>> import numpy as np
    >>> weights = {"fc": np.array([-2.0, -1.0, 1.0, 2.0])}
    >>> ticket = {"fc": np.array([True, False, False, True])}
    >>> whole, kept, shared = initial_weights(weights, {"a": ticket}, bins=4)[0].selections
    >>> round(whole.sd, 3), round(kept.sd, 3), kept.counts.tolist()
    (1.826, 2.828, [1, 0, 0, 1])
    """
    if bins < 1:
        raise UsageError(f"{bins} bins", code="bins", hint="ask for at least one")
    if not initial:
        raise InputError("no layer has initial weights", code="no-layers")
    for name, masks in {**tickets, **({CONSENSUS: consensus} if consensus else {})}.items():
        _check_layout(initial, masks, name)
    ranges = {layer: _value_range(layer, values) for layer, values in initial.items()}
    everything = _edges(min(r[0] for r in ranges.values()), max(r[1] for r in ranges.values()), bins)
