"""What tickets start from: spread and histogram of the initial weights that they keep."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from maskstat.errors import InputError, printable
from maskstat.run import Run
from maskstat.selection import listed
from maskstat.stats._stored import MaskLayers, WeightLayers
from maskstat.stats.comparands import Subject
from maskstat.stats.consensus import Consensus, consensus
from maskstat.stats.initial_weights import (
    InitialWeightStatistics,
    LayerInitialWeights,
    SelectedWeights,
    initial_weights,
)
from maskstat.table import Cell, Column, Table

__all__ = ["BIN_COLUMNS", "WEIGHT_COLUMNS", "InitialWeights", "initial"]

_WHICH = {
    "layer": Column("text", "layer, or 'total' for all of them"),
    "weights": Column("text", "all, ticket or consensus"),
    "run": Column("text", "where the ticket was read from; empty for all and consensus"),
    "iteration": Column("integer", "the ticket's pruning iteration"),
}

WEIGHT_COLUMNS = {
    **_WHICH,
    "n": Column("integer", "how many weights"),
    "share": Column("number", "n / weights of the layer"),
    "mean": Column("number", "mean of their initial values"),
    "sd": Column("number", "standard deviation of their initial values, n - 1 below"),
    "sd_ratio": Column("number", "sd / sd of all weights of the layer"),
}

BIN_COLUMNS = {
    **_WHICH,
    "low": Column("number", "lower edge of the bin"),
    "high": Column("number", "upper edge, part of the last bin only"),
    "count": Column("integer", "weights whose initial value lies in the bin"),
    "density": Column("number", "count / (n (high - low)), n being all bins' weights"),
}


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class InitialWeights(Table):
    """Initial weights of tickets, with the histogram of every row.

    Parameters
    ----------
    histogram
        A row a bin, in the order of the rows; schema ``maskstat.weights-histogram/1``.
    """

    histogram: Table


def initial(
    *subjects: Subject,
    iteration: str | int = "last",
    bins: int = 100,
    threshold: Fraction | str | float | None = None,
    at_least_votes: int | None = None,
    layers: str | Sequence[str] = (),
) -> InitialWeights:
    """Describe the initial weights of layers, of each ticket, and of the consensus ticket.

    Parameters
    ----------
    *subjects
        Runs that started from the same stored initial weights, or such runs with an iteration;
        one ticket is taken of each.
    iteration
        ``last`` or a number.
    bins
        Bins of equal width, from the smallest to the largest initial weight of the layer.
    threshold, at_least_votes
        As in `maskstat.consensus`; by default what every ticket keeps.
    layers
        Glob of the layers to look at, or several; none means all. The total is over these.

    Returns
    -------
    InitialWeights
        For each layer, then for all of them: all weights, each ticket, the consensus ticket.

    Raises
    ------
    NotFoundError
        The initial weights are not stored, or there is no such iteration or layer.
    InputError
        The runs started from different weights, or a mask has no run.
    UsageError
        An option cannot be used.
    LayoutMismatchError
        The layers differ.

    Notes
    -----
    Paganini & Forde (2020), Figures 7 and 17 to 20. Layers differ in scale, so the total mixes
    distributions: its standard deviation follows which layers a ticket keeps dense.

    Examples
    --------
    >>> from maskstat.mask import Mask
    >>> from maskstat.run import Weights
    >>> start = np.array([[-2.0, -1.0, 1.0, 2.0]], np.float32)
    >>> run = Run.from_masks(
    ...     "mine",
    ...     [Mask.from_arrays({"fc": [1, 0, 0, 1]})],
    ...     weights={"initial": Weights(values=start, iterations=(0,))},
    ... )
    >>> table = initial(run, bins=2)
    >>> [(row["weights"], row["n"], round(row["sd"], 3)) for row in table.where(layer="fc")]
    [('all', 4, 1.826), ('ticket', 2, 2.828), ('consensus', 2, 2.828)]
    >>> table.histogram.where(layer="fc", weights="ticket")[0]["count"]
    1
    """
    voted = consensus(
        *subjects,
        threshold=threshold,
        at_least_votes=at_least_votes,
        iteration=iteration,
        layers=layers,
    )
    start = _common_start(voted)
    found = initial_weights(
        start,
        {str(i): MaskLayers(mask) for i, mask in enumerate(voted.sources)},
        consensus=MaskLayers(voted.ticket),
        bins=bins,
    )
    rows, bars = _laid_out(found, voted)
    parameters = {
        "iteration": str(iteration),
        "layers": listed(layers),
        "at_least": voted.least,
        "masks": len(voted.comparands),
        "bins": bins,
    }
    return InitialWeights(
        schema="maskstat.weights/1",
        columns=WEIGHT_COLUMNS,
        data={name: [row[name] for row in rows] for name in WEIGHT_COLUMNS},
        inputs=voted.inputs,
        parameters=parameters,
        histogram=Table(
            schema="maskstat.weights-histogram/1",
            columns=BIN_COLUMNS,
            data={name: [bar[name] for bar in bars] for name in BIN_COLUMNS},
            inputs=voted.inputs,
            parameters=parameters,
        ),
    )


def _common_start(voted: Consensus) -> WeightLayers:
    """Return the initial weights that all runs share, layer by layer."""
    runs: list[Run] = []
    for one in voted.comparands:
        if one.run is None:
            raise InputError(
                "a mask alone has no weights",
                code="no-weights",
                place=one.label,
                consequence="there is nothing to describe",
            )
        runs.append(one.run)
    names = voted.ticket.layout.names
    starts = [WeightLayers(run, "initial", names=names) for run in runs]
    for run, start in zip(runs[1:], starts[1:], strict=True):
        for name in names:
            if not np.array_equal(start[name], starts[0][name]):
                raise InputError(
                    f"its initial weights of layer {printable(name)} are others than in "
                    f"{runs[0].label}",
                    code="other-start",
                    place=run.label,
                    consequence="their consensus has no initial weights",
                    hint="describe runs of one initialization, e.g. --select seed=0",
                )
    return starts[0]


def _laid_out(
    found: InitialWeightStatistics, voted: Consensus
) -> tuple[list[dict[str, Cell]], list[dict[str, Cell]]]:
    """Lay out the statistics as rows, and the histograms as rows of bins."""
    rows: list[dict[str, Cell]] = []
    bars: list[dict[str, Cell]] = []
    for name, layer in {**found.layers, "total": found.total}.items():
        for which, selected in _selections(layer, voted):
            where: dict[str, Cell] = {"layer": name, **which}
            rows.append(
                {
                    **where,
                    "n": selected.n,
                    "share": selected.n / layer.whole.n,
                    "mean": selected.mean,
                    "sd": selected.sd,
                    "sd_ratio": selected.sd_ratio,
                }
            )
            bars.extend(where | bar for bar in _bins(layer, selected))
    return rows, bars


def _selections(
    layer: LayerInitialWeights, voted: Consensus
) -> list[tuple[dict[str, Cell], SelectedWeights]]:
    """Name every selection of a layer's weights."""
    named: list[tuple[dict[str, Cell], SelectedWeights]] = [
        ({"weights": "all", "run": None, "iteration": None}, layer.whole)
    ]
    for one, ticket in zip(voted.comparands, layer.tickets.values(), strict=True):
        iteration = next(iter(one.masks))
        named.append(({"weights": "ticket", "run": one.label, "iteration": iteration}, ticket))
    if layer.consensus is not None:
        named.append(({"weights": "consensus", "run": None, "iteration": None}, layer.consensus))
    return named


def _bins(layer: LayerInitialWeights, selected: SelectedWeights) -> list[dict[str, Cell]]:
    widths = np.diff(layer.edges) * selected.n
    return [
        {"low": low, "high": high, "count": count, "density": count / width if width else None}
        for low, high, count, width in zip(
            layer.edges[:-1].tolist(),
            layer.edges[1:].tolist(),
            selected.counts.tolist(),
            widths.tolist(),
            strict=True,
        )
    ]
