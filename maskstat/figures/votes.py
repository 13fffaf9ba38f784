"""Votes: in how many masks the weights of each layer are kept, beside chance."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
from matplotlib.artist import Artist
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import FuncFormatter, NullLocator
from numpy.typing import NDArray

from maskstat.figures.labels import count, percent
from maskstat.figures.panels import panel_grid
from maskstat.figures.rows import by_layer, drawable_rows
from maskstat.figures.style import COLOURS, Axes, Figure, styled
from maskstat.table import Table

__all__ = ["consensus_histogram"]

Rows: TypeAlias = Sequence[dict[str, Any]]
Floats: TypeAlias = NDArray[np.float64]

_COLUMNS = ("layer", "size", "masks", "votes", "weights", "expected", "sd", "in_ticket")

_MARKER: dict[str, Any] = {"ls": "", "mfc": "white", "color": COLOURS["black"], "mew": 0.7}
_EXPECTED: dict[str, Any] = {**_MARKER, "marker": "D", "ms": 2.4}
_BELOW: dict[str, Any] = {**_MARKER, "marker": "v", "ms": 3, "clip_on": False}
_IN, _OUT = COLOURS["blue"], COLOURS["sky"]
_LINEAR_DOWN_TO = 0.01  # of the tallest bar; a lower one could not be seen


@styled
def consensus_histogram(table: Table) -> Figure:
    """Draw how many of the masks keep the weights of each layer.

    Parameters
    ----------
    table
        What `consensus` returns.

    Returns
    -------
    Figure
        A panel a layer in network order, then the total, titled with the share of the weights
        that a mask keeps on average. Bars are the share of the weights with each number of votes,
        dark where they are in the consensus ticket; beside them is what is expected if each mask
        kept as many weights of each layer at random, with two standard deviations either side.
        The axis is logarithmic if a bar could not be seen otherwise.

    Raises
    ------
    InputError
        The table has no rows or other columns.

    Notes
    -----
    After Paganini & Forde (2020), Figures 12 to 16. An expectation below the axis is marked by
    a triangle on it.

    Examples
    --------
    >>> from maskstat.mask import Mask
    >>> from maskstat.stats.consensus import consensus
    >>> masks = [Mask.from_arrays({"fc": bits}) for bits in ([1, 1, 0], [1, 0, 0], [1, 0, 1])]
    >>> figure = consensus_histogram(consensus(*masks))
    >>> [round(float(bar.get_height()), 1) for bar in figure.axes[0].patches]
    [0.0, 66.7, 0.0, 33.3]
    """
    rows = drawable_rows(table, _COLUMNS, source="consensus")
    groups = by_layer(rows)
    floor = _log_floor(list(groups.values()))
    n_masks = rows[0]["masks"]
    figure, axes = panel_grid(
        {layer: _kept(group) for layer, group in groups.items()},
        title=f"Votes of {count(n_masks, 'mask')}",
        x_label=f"votes: how many of the {n_masks} masks keep a weight",
        y_label="weights, % of the layer",
        legend=_legend(rows, floor),
    )
    for one, group in zip(axes, groups.values(), strict=True):
        _draw_layer(one, group, floor)
    if floor:
        axes[0].set_yscale("log", nonpositive="clip")  # all panels share this axis
        axes[0].yaxis.set_minor_locator(NullLocator())
    axes[0].yaxis.set_major_formatter(FuncFormatter(lambda share, _: f"{share:g}"))
    axes[0].set_ylim(floor, 150 if floor else None)
    return figure


def _kept(rows: Rows) -> str:
    """Say what share of a layer a mask keeps, on average."""
    votes = sum(row["votes"] * row["weights"] for row in rows)
    size = rows[0]["size"]
    return f"{percent(votes / (rows[0]['masks'] * size))} % of {size:,} kept"


def _log_floor(groups: Sequence[Rows]) -> float:
    """Return where a logarithmic axis starts, in per cent; 0 if a linear one shows every bar."""
    shares = [_percent(group, "weights") for group in groups]
    seen = [values[values > 0] for values in shares]
    if all(values.min() >= _LINEAR_DOWN_TO * values.max() for values in seen):
        return 0.0
    return float(10 ** np.floor(np.log10(0.7 * min(values.min() for values in seen))))


def _percent(rows: Rows, name: str) -> Floats:
    """Return a count as per cent of the layer."""
    return np.array([100 * row[name] / row["size"] for row in rows])


def _draw_layer(axes: Axes, rows: Rows, floor: float) -> None:
    """Draw one panel."""
    votes = np.array([row["votes"] for row in rows])
    colours = [_IN if row["in_ticket"] else _OUT for row in rows]
    heights = np.maximum(_percent(rows, "weights") - floor, 0)
    axes.bar(votes, heights, bottom=floor, width=0.8, color=colours)
    expected, reach = _percent(rows, "expected"), 2 * _percent(rows, "sd")
    shown = expected > floor
    low = np.minimum(reach, expected - floor)  # down to the axis, if not to less than nothing
    axes.errorbar(
        votes[shown],
        expected[shown],
        yerr=np.array([low[shown], reach[shown]]),
        fmt="none",
        ecolor=COLOURS["black"],
        elinewidth=0.8,
    )
    axes.plot(votes[shown], expected[shown], **_EXPECTED)
    below = _below(rows, floor)
    axes.plot(votes[below], np.full(below.sum(), floor), **_BELOW)
    step = -(-len(votes) // 8)
    axes.set_xticks(votes[::step])
    axes.grid(visible=False, axis="x")


def _below(rows: Rows, floor: float) -> NDArray[np.bool_]:
    """Tell which expectations lie below a logarithmic axis."""
    expected = _percent(rows, "expected")
    return (expected > 0) & (expected <= floor)


def _legend(rows: Rows, floor: float) -> dict[str, Artist]:
    entries: dict[str, Artist] = {"observed": Patch(color=_OUT)}
    least = min((row["votes"] for row in rows if row["in_ticket"]), default=None)
    if least is not None:
        more = " or more" if least < rows[0]["masks"] else ""
        entries[f"in the ticket: {count(least, 'vote')}{more}"] = Patch(color=_IN)
    look = {**_EXPECTED, "ls": "-", "lw": 0.8}
    entries["expected by chance ± 2 sd"] = Line2D([], [], **look)
    if _below(rows, floor).any():
        entries["expected, lower"] = Line2D([], [], **_BELOW)
    return entries
