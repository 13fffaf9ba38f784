"""Votes by group: in how many masks weights are kept, pruning methods side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np
from matplotlib.artist import Artist
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from maskstat.figures.labels import count
from maskstat.figures.lines import looks
from maskstat.figures.names import replicates
from maskstat.figures.rows import drawable_rows, value
from maskstat.figures.stack import stacked
from maskstat.figures.style import COLOURS, Axes, Figure, styled
from maskstat.table import Table

__all__ = ["votes_by_group"]

Rows: TypeAlias = Sequence[dict[str, Any]]

_COLUMNS = ("group", "iteration", "masks", "votes", "size", "n", "weights", "sd", "expected")
_EXPECTED: dict[str, Any] = {
    "ls": "", "marker": "D", "ms": 2.2, "mfc": "white", "mew": 0.6, "color": COLOURS["black"],
}  # fmt: skip
_FILLED = 0.84  # of the room of a number of votes


@styled
def votes_by_group(table: Table) -> Figure:
    """Draw the weights by the number of masks that keep them, groups of masks side by side.

    Parameters
    ----------
    table
        A row a group, iteration and number of votes: ``weights``, their ``sd`` over ``n``
        replicates, and what is ``expected`` by chance, of ``size`` weights.

    Returns
    -------
    Figure
        A panel an iteration. Bars: per cent of the weights, with one standard deviation over
        replicates, half up and half down. Diamonds: the exact expectation, each layer's sizes
        fixed.

    Raises
    ------
    InputError
        The table has no rows or other columns.

    Notes
    -----
    Paganini & Forde (2020), Figure 12, which shows numbers of weights and no chance level.

    Examples
    --------
    >>> from maskstat.table import Column
    >>> row = {"group": "l1", "iteration": 1, "masks": 2, "votes": 1, "size": 10, "n": 1,
    ...        "weights": 4.0, "sd": None, "expected": 5.0}
    >>> columns = {name: Column("number", "") for name in row}
    >>> table = Table(schema="", columns=columns, data={n: [v] for n, v in row.items()})
    >>> float(votes_by_group(table).axes[0].patches[0].get_height())
    40.0
    """
    rows = drawable_rows(table, _COLUMNS, source="votes by method")
    groups = list(dict.fromkeys(row["group"] for row in rows))
    iterations = list(dict.fromkeys(row["iteration"] for row in rows))
    numbers = [row["n"] for row in rows]
    band = "mean ± ½ sd over " if max(numbers) > 1 else ""
    colours = {group: style["color"] for group, style in looks(groups).items()}
    legend: dict[str, Artist] = {group: Patch(color=colour) for group, colour in colours.items()}
    legend["expected by chance"] = Line2D([], [], **_EXPECTED)
    figure, panels = stacked(
        [_title([row for row in rows if row["iteration"] == t]) for t in iterations],
        title=f"Votes of {count(rows[0]['masks'], 'mask')}: {count(rows[0]['size'], 'weight')}",
        x_label="votes: how many of the masks keep a weight\n"
        f"{band}{replicates(numbers, 'replicate')}",
        y_labels=["weights, % of all"] * len(iterations),
        legend=legend,
        width=7.0 if len(groups) > 2 else 3.4,
        height=1.7,
    )
    for axes, iteration in zip(panels, iterations, strict=True):
        _draw(axes, [row for row in rows if row["iteration"] == iteration], colours)
    votes = sorted({row["votes"] for row in rows})
    panels[-1].set_xticks(votes, [str(v) for v in votes])
    panels[-1].set_xlim(votes[0] - 0.6, votes[-1] + 0.6)
    return figure


def _title(rows: Rows) -> str:
    """Name the iteration, and what masks keep there on average."""
    sums: dict[str, float] = {}
    for row in rows:
        share = row["votes"] * row["weights"] / (row["masks"] * row["size"])
        sums[row["group"]] = sums.get(row["group"], 0.0) + share
    kept = 100 * np.array(list(sums.values()))
    low, high = f"{kept.min():.3g}", f"{kept.max():.3g}"
    shown = low if low == high else f"{low}–{high}"
    return f"iteration {rows[0]['iteration']}: {shown} % kept"


def _draw(axes: Axes, rows: Rows, colours: Mapping[str, str]) -> None:
    """Draw one iteration."""
    width = _FILLED / len(colours)
    for i, (group, colour) in enumerate(colours.items()):
        own = [row for row in rows if row["group"] == group]
        at = np.array([row["votes"] for row in own]) + (i - (len(colours) - 1) / 2) * width
        share, sd, expected = (
            np.array([100 * value(row, name) / row["size"] for row in own])
            for name in ("weights", "sd", "expected")
        )
        axes.bar(at, share, width=0.94 * width, color=colour, lw=0)
        seen = np.isfinite(sd)
        axes.errorbar(
            at[seen], share[seen], yerr=sd[seen] / 2, fmt="none", ecolor=COLOURS["grey"],
            elinewidth=0.8,
        )  # fmt: skip
        axes.plot(at, expected, **_EXPECTED)
    axes.set_ylim(0, 104)
    axes.grid(visible=False, axis="x")
