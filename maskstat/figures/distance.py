"""Distance between masks, layer by layer, as pruning goes on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
from matplotlib.lines import Line2D
from numpy.typing import NDArray

from maskstat.errors import InputError
from maskstat.figures.iteration_ticks import mark_iterations
from maskstat.figures.labels import clip, count, short_inputs
from maskstat.figures.panels import panel_grid
from maskstat.figures.rows import by_layer, drawable_rows, value
from maskstat.figures.style import COLOURS, Axes, Figure, styled
from maskstat.table import Table

__all__ = ["distance_over_iterations"]

Rows: TypeAlias = Sequence[dict[str, Any]]
Pair: TypeAlias = tuple[str, str]

_COLUMNS = ("a", "b", "iteration_a", "iteration_b", "layer", "size", "kept_a", "kept_b",
            "jaccard_distance", "expected_jaccard")  # fmt: skip

_PAIR: dict[str, Any] = {"color": COLOURS["sky"], "lw": 0.6, "alpha": 0.7}
_MEAN: dict[str, Any] = {"color": COLOURS["blue"], "lw": 1.4, "marker": "o", "ms": 2.2}
_CHANCE: dict[str, Any] = {"color": COLOURS["black"], "lw": 1, "ls": (0, (4, 2))}


@styled
def distance_over_iterations(table: Table) -> Figure:
    """Draw the Jaccard distance of each layer over pruning iterations.

    Parameters
    ----------
    table
        What `compare` returns for several iterations.

    Returns
    -------
    Figure
        A panel a layer in network order, then the total. Thin lines are pairs, the thick one is
        their mean where all of them are there; pairs share masks, so no interval is drawn. The
        dashed line is the mean distance expected of masks of the same sizes in every layer.
        Under each iteration is written what share of the layer's weights the masks keep.

    Raises
    ------
    InputError
        The table has no rows or other columns, compares different iterations, or names two
        inputs alike.

    Notes
    -----
    Paganini & Forde (2020), Figure 3.

    Examples
    --------
    >>> from maskstat.mask import Mask
    >>> from maskstat.run import Run
    >>> from maskstat.stats.compare import compare
    >>> steps = [Mask.from_arrays({"fc": bits}) for bits in ([1, 1, 0], [1, 0, 0])]
    >>> table = compare(Run.from_masks("a", steps), Run.from_masks("b", steps), iteration="all")
    >>> len(distance_over_iterations(table).axes)
    2
    """
    rows = drawable_rows(table, _COLUMNS, source="compare")
    _require_one_iteration_a_row(rows)
    groups = by_layer(rows)
    pairs = list(dict.fromkeys((row["a"], row["b"]) for row in rows))
    figure, axes = panel_grid(
        {layer: count(group[0]["size"], "weight") for layer, group in groups.items()},
        title=_title(pairs),
        x_label="pruning iteration\nweights kept in the layer, %",
        y_label="Jaccard distance",
        legend=_legend(len(pairs)),
        tick_lines=2,
    )
    for one, group in zip(axes, groups.values(), strict=True):
        _draw_layer(one, group, pairs)
    axes[0].set_ylim(-0.02, 1.02)
    return figure


def _title(pairs: Sequence[Pair]) -> str:
    if len(pairs) == 1:
        first, second = (clip(name, 24) for name in short_inputs(pairs[0]))
        return f"{first} and {second}"
    runs = {name for pair in pairs for name in pair}
    return f"{len(pairs)} pairs of {count(len(runs), 'run')}"


def _legend(n_pairs: int) -> dict[str, Line2D]:
    mean, pair, chance = (Line2D([], [], **look) for look in (_MEAN, _PAIR, _CHANCE))
    expected = "expected by chance at the same layer sizes"
    if n_pairs == 1:
        return {"observed": mean, expected: chance}
    return {f"mean of {n_pairs} pairs": mean, "each pair": pair, expected: chance}


def _require_one_iteration_a_row(rows: Rows) -> None:
    for row in rows:
        a, b = row["iteration_a"], row["iteration_b"]
        if a is None or a != b:
            raise InputError(
                f"iteration {a} is compared with iteration {b}"
                if a is not None or b is not None
                else "masks without an iteration are compared",
                code="no-common-iteration",
                place=f"{row['a']}, {row['b']}",
                consequence="a figure over iterations needs the same iteration of both",
                hint="give runs, not single masks, and --iteration all",
            )


def _draw_layer(axes: Axes, rows: Rows, pairs: Sequence[Pair]) -> None:
    """Draw one panel."""
    iterations = sorted({row["iteration_a"] for row in rows})
    distance = _grid(rows, pairs, iterations, "jaccard_distance")
    chance = 1 - _grid(rows, pairs, iterations, "expected_jaccard")
    if len(pairs) > 1:
        axes.plot(iterations, distance.T, **_PAIR)
    # A plain mean: where a pair is missing it is NaN, so the line never mixes different pairs.
    axes.plot(iterations, distance.mean(axis=0), **_MEAN)
    axes.plot(iterations, chance.mean(axis=0), **_CHANCE)
    if len(iterations) == 1:
        axes.lines[-1].set_marker("_")  # there is no line to be seen
    mark_iterations(axes, _shares_kept(rows))


def _grid(
    rows: Rows, pairs: Sequence[Pair], iterations: Sequence[int], name: str
) -> NDArray[np.float64]:
    """Lay values out as (pairs, iterations), NaN where there is none."""
    grid = np.full((len(pairs), len(iterations)), np.nan)
    row_of = {pair: index for index, pair in enumerate(pairs)}
    column_of = {iteration: index for index, iteration in enumerate(iterations)}
    seen: set[tuple[int, int]] = set()
    for row in rows:
        cell = row_of[row["a"], row["b"]], column_of[row["iteration_a"]]
        if cell in seen:
            raise InputError(
                "two pairs of inputs have the same names",
                code="ambiguous-inputs",
                place=f"{row['a']}, {row['b']}",
                consequence="their lines could not be told apart",
                hint="give each input once",
            )
        seen.add(cell)
        grid[cell] = value(row, name)
    return grid


def _shares_kept(rows: Rows) -> dict[int, list[float]]:
    """Return the shares of the weights that masks keep, by iteration."""
    shares: dict[int, list[float]] = {}
    for row in rows:
        kept = (row["kept_a"] / row["size"], row["kept_b"] / row["size"])
        shares.setdefault(row["iteration_a"], []).extend(kept)
    return shares
