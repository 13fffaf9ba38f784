"""Distance between every two masks of one iteration, as a matrix."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import product
from typing import Any, TypeAlias

import numpy as np
from matplotlib.colors import LinearSegmentedColormap
from numpy.typing import NDArray

from maskstat.errors import InputError
from maskstat.figures.labels import clip, count, percent, short_inputs
from maskstat.figures.rows import drawable_rows, value
from maskstat.figures.style import COLOURS, Axes, Figure, new_figure, styled
from maskstat.table import Table

__all__ = ["pairwise_heatmap"]

Node: TypeAlias = tuple[str, int | None]
Rows: TypeAlias = Sequence[dict[str, Any]]

_COLUMNS = ("a", "b", "iteration_a", "iteration_b", "layer", "size", "kept_a", "kept_b",
            "jaccard_distance", "expected_jaccard")  # fmt: skip

# Inches: a cell, what lies above and below the matrix, the bar of colours with its numbers.
_CELL, _ABOVE, _BELOW, _BAR = 0.5, 0.34, 0.5, 0.72
_NUMBERS_UP_TO = 40


@styled
def pairwise_heatmap(table: Table) -> Figure:
    """Draw the total Jaccard distance between every two masks.

    Parameters
    ----------
    table
        What `compare` returns for one iteration of each input.

    Returns
    -------
    Figure
        A symmetric matrix, inputs in the order they were given, numbered from 1. Under each
        distance, in grey, the distance expected of masks of the same sizes in every layer; on the
        diagonal the share of the weights that the mask keeps. A pair without a value has a dash.

    Raises
    ------
    InputError
        The table has no rows or other columns, holds several iterations of an input, or names
        two inputs alike.

    Notes
    -----
    Paganini & Forde (2020), Figures 4 and 5.

    Examples
    --------
    >>> from maskstat.mask import Mask
    >>> from maskstat.stats.compare import compare
    >>> a = Mask.from_arrays({"fc": [1, 1, 0, 0]}, label="a")
    >>> b = Mask.from_arrays({"fc": [0, 1, 1, 0]}, label="b")
    >>> [text.get_text() for text in pairwise_heatmap(compare(a, b)).axes[0].get_yticklabels()]
    ['a   1', 'b   2']
    """
    totals = drawable_rows(table, _COLUMNS, source="compare", layer="total")
    nodes = _nodes(table, totals)
    place = {node: index for index, node in enumerate(nodes)}
    n = len(nodes)
    distance, chance = np.full((2, n, n), np.nan)
    density = np.full(n, np.nan)
    for row in totals:
        i, j = place[row["a"], row["iteration_a"]], place[row["b"], row["iteration_b"]]
        distance[i, j] = distance[j, i] = value(row, "jaccard_distance")
        chance[i, j] = chance[j, i] = 1 - value(row, "expected_jaccard")
        density[[i, j]] = row["kept_a"] / row["size"], row["kept_b"] / row["size"]
    n_layers = len(set(table.column("layer")) - {"total"})
    return _draw(nodes, distance, chance, density, n_layers)


def _nodes(table: Table, rows: Rows) -> list[Node]:
    """Return the masks in the order of the inputs, where it is known, else of the rows."""
    met = [_ends(row) for row in rows]
    for pair, times in Counter(map(frozenset, met)).items():
        if times > 1 or len(pair) == 1:
            raise InputError(
                "two inputs have the same name",
                code="ambiguous-inputs",
                place=" and ".join(sorted({label for label, _ in pair})),
                consequence="their cells could not be told apart",
                hint="give each input once",
            )
    for record in table.inputs:
        if len(record.get("iterations", ())) > 1:
            raise InputError(
                f"{len(record['iterations'])} iterations are selected",
                code="several-iterations",
                place=record["path"],
                consequence="a heatmap shows one mask of each input",
                hint="--iteration last",
            )
    known = [
        (record["path"], next(iter(record.get("iterations", ())), None)) for record in table.inputs
    ]
    found = dict.fromkeys(node for pair in met for node in pair)
    return [node for node in dict.fromkeys([*known, *found]) if node in found]


def _ends(row: Mapping[str, Any]) -> tuple[Node, Node]:
    return (row["a"], row["iteration_a"]), (row["b"], row["iteration_b"])


def _draw(
    nodes: Sequence[Node],
    distance: NDArray[np.float64],
    chance: NDArray[np.float64],
    density: NDArray[np.float64],
    n_layers: int,
) -> Figure:
    """Draw the matrix."""
    n = len(nodes)
    names, iteration = _names(nodes)
    figure = new_figure(3.4, 3.4)
    axes = figure.add_axes((0, 0, 1, 1))
    # White to a blue that is still light, so that black numbers can be read on all of it.
    colours = LinearSegmentedColormap.from_list("distance", ["#FFFFFF", COLOURS["sky"]])
    low, high = _limits(distance)
    axes.set_facecolor(COLOURS["pale"])
    edges = np.arange(n + 1) - 0.5
    image = axes.pcolormesh(
        edges, edges, distance, cmap=colours, vmin=low, vmax=high, edgecolors="white", lw=0.8
    )
    axes.invert_yaxis()
    if n <= _NUMBERS_UP_TO:
        _write_numbers(axes, distance, chance, density)
    axes.set_xticks(range(n), [str(i + 1) for i in range(n)])
    axes.set_yticks(range(n), [f"{name}   {i + 1}" for i, name in enumerate(names)])
    axes.tick_params(length=0)
    axes.grid(visible=False)
    axes.spines[:].set_visible(False)
    bar_axes = figure.add_axes((0, 0, 1, 1))
    bar = figure.colorbar(image, cax=bar_axes)
    bar.outline.set_linewidth(0.5)
    if bar.solids is not None:
        bar.solids.set(edgecolor="face", rasterized=False)  # no hairlines between the shades
    bar.set_label("Jaccard distance")
    figure.suptitle(f"{n} masks{iteration}")
    over = f" over {count(n_layers, 'layer')}" if n_layers else ""
    figure.supxlabel(
        f"total{over}; diagonal: weights kept\ngrey: expected by chance at the same layer sizes",
        color=COLOURS["grey"],
        fontsize=6.5,
    )
    _place(figure, axes, bar_axes, n)
    return figure


def _place(figure: Figure, axes: Axes, bar_axes: Axes, n: int) -> None:
    """Give every cell its size, and the labels the room that they take."""
    labels = max(label.get_window_extent().width for label in axes.get_yticklabels()) / figure.dpi
    side = _CELL * n
    content = labels + side + _BAR
    width, height = max(3.4, content + 0.2), side + _ABOVE + _BELOW
    left = (width - content) / 2 + labels
    figure.set_size_inches(width, height)
    for text, y in ((figure.texts[0], 1 - 0.07 / height), (figure.texts[1], 0.04 / height)):
        text.set_y(y)
    axes.set_position((left / width, _BELOW / height, side / width, side / height))
    bar_left = (left + side + 0.12) / width
    bar_axes.set_position((bar_left, _BELOW / height, 0.1 / width, side / height))


def _names(nodes: Sequence[Node]) -> tuple[list[str], str]:
    """Name the masks; an iteration that all share goes to the title instead."""
    short = [clip(name, 40) for name in short_inputs([label for label, _ in nodes])]
    iterations = [iteration for _, iteration in nodes]
    if len(set(iterations)) == 1:
        return short, "" if iterations[0] is None else f", pruning iteration {iterations[0]}"
    return [
        name if iteration is None else f"{name} @{iteration}"
        for name, iteration in zip(short, iterations, strict=True)
    ], ""


def _limits(distance: NDArray[np.float64]) -> tuple[float, float]:
    """Return the twentieths that enclose the distances."""
    values = distance[np.isfinite(distance)]
    if not values.size:
        return 0.0, 1.0
    low = min(math.floor(20 * values.min()) / 20, 0.95)
    return low, max(math.ceil(20 * values.max()) / 20, low + 0.05)


def _write_numbers(
    axes: Axes,
    distance: NDArray[np.float64],
    chance: NDArray[np.float64],
    density: NDArray[np.float64],
) -> None:
    """Write each distance over the one expected by chance."""
    n = len(density)
    for i, j in product(range(n), repeat=2):
        if i == j:
            axes.text(j, i, f"{percent(density[i])} %", ha="center", va="center", fontsize=6.5)
            continue
        known = math.isfinite(distance[i, j])
        observed = f"{distance[i, j]:.3f}" if known else "–"
        axes.text(j, i - 0.12, observed, ha="center", va="center", fontsize=7.5)
        if known and math.isfinite(chance[i, j]):
            axes.text(
                j,
                i + 0.24,
                f"{chance[i, j]:.3f}",
                ha="center",
                va="center",
                fontsize=6,
                color=COLOURS["grey"],
            )
