"""Composition of a consensus ticket: what it keeps of each layer, and who agrees on the rest."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np
from matplotlib.artist import Artist
from matplotlib.colors import LinearSegmentedColormap, to_hex
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import FuncFormatter, NullLocator

from maskstat.figures.labels import count, percent, short_layers
from maskstat.figures.names import among
from maskstat.figures.rows import by_layer, drawable_rows
from maskstat.figures.stack import stacked
from maskstat.figures.style import COLOURS, Axes, Figure, styled
from maskstat.table import Table

__all__ = ["ticket_composition"]

Rows: TypeAlias = Sequence[dict[str, Any]]

_COLUMNS = ("layer", "size", "masks", "votes", "weights", "expected", "in_ticket")

_CHANCE: dict[str, Any] = {
    "ls": "", "marker": "D", "ms": 2.8, "mfc": "white", "color": COLOURS["black"], "mew": 0.7,
    "clip_on": False,
}  # fmt: skip
_LAYER = 0.42  # inches that a layer's bar takes
_MOST_LETTERS = 9


@styled
def ticket_composition(table: Table) -> Figure:
    """Draw what share of each layer all, some and none of the masks keep.

    Parameters
    ----------
    table
        What `maskstat.consensus` returns.

    Returns
    -------
    Figure
        Above, a bar a layer in network order, stacked by number of votes, most at the bottom; the
        ticket is what lies under the thick line, its share is written over the bar, and a diamond
        is what would be in it if each mask kept as many weights of each layer at random. Below,
        in numbers of weights on a logarithmic axis: layers, and the ticket in them.

    Raises
    ------
    InputError
        The table has no rows or other columns.

    Notes
    -----
    Paganini & Forde (2020), Figures 13 to 16, which show the weights that all masks keep.

    Examples
    --------
    >>> from maskstat.mask import Mask
    >>> from maskstat.stats.consensus import consensus
    >>> masks = [Mask.from_arrays({"fc": bits}) for bits in ([1, 1, 0, 0], [1, 0, 1, 0])]
    >>> above = ticket_composition(consensus(*masks)).axes[0]
    >>> [float(bar.get_height()) for bar in above.patches]
    [25.0, 50.0, 25.0]
    """
    rows = drawable_rows(table, _COLUMNS, source="consensus")
    layers = {name: group for name, group in by_layer(rows).items() if name != "total"}
    n_masks = rows[0]["masks"]
    colours = _colours(n_masks)
    figure, (share, number) = stacked(
        ["", ""],
        title=f"Consensus of {count(n_masks, 'mask')}{among(table.inputs)}",
        x_label="layer\nover the bars: what of it is in the ticket",
        y_labels=["weights, % of the layer", "weights"],
        legend=_legend(rows, colours),
        width=max(3.4, 0.75 + _LAYER * len(layers)),
        height=1.6,
        tick_lines=_name_lines(list(layers)),
    )
    for x, group in enumerate(layers.values()):
        _draw_share(share, x, group, colours)
        _draw_number(number, x, group, colours[-1])
    share.set_ylim(0, 108)
    share.set_yticks(range(0, 101, 20))
    number.set_yscale("log")
    number.set_ylim(0.7, 3 * max(group[0]["size"] for group in layers.values()))
    number.yaxis.set_major_formatter(FuncFormatter(lambda n, _: _short(round(n)) if n >= 1 else ""))
    number.yaxis.set_minor_locator(NullLocator())
    names = short_layers(list(layers))
    turned = max(map(len, names)) > _letters(len(layers))
    number.set_xticks(range(len(layers)), names, rotation=90 if turned else 0)
    number.set_xlim(-0.6, len(layers) - 0.4)
    for axes in (share, number):
        axes.grid(visible=False, axis="x")
        axes.tick_params(axis="x", length=0)
    return figure


def _letters(n_layers: int) -> int:
    """Return how long a name may be to lie flat under its bar."""
    return max(_MOST_LETTERS, 42 // n_layers) if n_layers <= 6 else 7


def _name_lines(layers: Sequence[str]) -> int:
    longest = max(map(len, short_layers(layers)))
    return 1 if longest <= _letters(len(layers)) else -(-longest // 2)


def _colours(n_masks: int) -> list[str]:
    """Return a shade for each number of votes, from none to all."""
    shades = LinearSegmentedColormap.from_list(
        "votes", [COLOURS["pale"], COLOURS["sky"], COLOURS["blue"], "#00304D"]
    )
    return [to_hex(shades(v / n_masks)) for v in range(n_masks + 1)]


def _legend(rows: Rows, colours: Sequence[str]) -> dict[str, Artist]:
    n = rows[0]["masks"]
    entries: dict[str, Artist] = {}
    shown = range(n, -1, -1) if n <= 6 else (n, n // 2, 0)
    for votes in shown:
        name = {n: f"kept by all {n}", 0: "by none"}.get(votes, f"by {votes}")
        entries[name] = Patch(color=colours[votes])
    entries["in the ticket by chance"] = Line2D([], [], **_CHANCE)
    entries["ticket: all below"] = Line2D([], [], color=COLOURS["vermilion"], lw=1.3)
    return entries


def _draw_share(axes: Axes, x: int, rows: Rows, colours: Sequence[str]) -> None:
    """Stack a layer's weights by votes, most at the bottom."""
    size = rows[0]["size"]
    bottom = 0.0
    for row in sorted(rows, key=lambda row: -row["votes"]):
        height = 100 * row["weights"] / size
        axes.bar(x, height, bottom=bottom, width=0.8, color=colours[row["votes"]], lw=0)
        bottom += height
    kept, chance = _in_ticket(rows)
    axes.plot([x - 0.4, x + 0.4], [100 * kept / size] * 2, color=COLOURS["vermilion"], lw=1.3)
    axes.plot([x], [100 * chance / size], **_CHANCE)
    axes.text(x, 101.5, percent(kept / size), ha="center", va="bottom", fontsize=6)


def _draw_number(axes: Axes, x: int, rows: Rows, colour: str) -> None:
    kept, chance = _in_ticket(rows)
    axes.bar(x, rows[0]["size"], width=0.8, color=COLOURS["pale"], lw=0)
    axes.bar(x, kept, width=0.8, color=colour, lw=0)
    axes.text(x, rows[0]["size"] * 1.15, _short(kept), ha="center", va="bottom", fontsize=6)
    if chance >= 0.7:
        axes.plot([x], [chance], **_CHANCE)


def _in_ticket(rows: Rows) -> tuple[int, float]:
    """Return how many weights of a layer are in the ticket, and how many by chance."""
    inside: Sequence[Mapping[str, Any]] = [row for row in rows if row["in_ticket"]]
    return sum(row["weights"] for row in inside), float(np.sum([row["expected"] for row in inside]))


def _short(n: int) -> str:
    """Write a count in at most five characters.

    Examples
    --------
    >>> _short(864), _short(30_720), _short(102_760_448)
    ('864', '30.7k', '103M')
    """
    for unit, name in ((10**9, "G"), (10**6, "M"), (10**3, "k")):
        if n >= unit:
            return f"{n / unit:.3g}{name}"
    return str(n)
