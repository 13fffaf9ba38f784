"""Distance between runs that differ in one setting, layer by layer, as pruning goes on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np
from matplotlib.artist import Artist

from maskstat.errors import InputError
from maskstat.figures.iteration_ticks import mark_iterations
from maskstat.figures.labels import clip, count
from maskstat.figures.lines import draw_band, handle, handles, looks
from maskstat.figures.names import among, replicates, task_name
from maskstat.figures.panels import panel_grid
from maskstat.figures.places import methods_of
from maskstat.figures.rows import by_layer, drawable_rows, value
from maskstat.figures.style import COLOURS, Axes, Figure, styled
from maskstat.table import Table

__all__ = ["contrast_over_iterations", "contrast_title", "in_groups"]

Rows: TypeAlias = Sequence[dict[str, Any]]

_COLUMNS = ("group", "value_a", "value_b", "iteration", "layer", "size", "density", "pairs",
            "jaccard_distance", "low", "high", "expected_distance")  # fmt: skip

_CHANCE: dict[str, Any] = {"lw": 0.8, "ls": (0, (1, 1.5)), "marker": ""}

_REWOUND = {"none": "finetuned", "initial": "rewound"}


@styled
def contrast_over_iterations(table: Table) -> Figure:
    r"""Draw the Jaccard distance between runs that differ in one setting alone.

    Parameters
    ----------
    table
        What `maskstat.stats.contrast.contrast` returns.

    Returns
    -------
    Figure
        A panel a layer in network order, then the total. A line a group of pairs: the mean over
        seeds, with a band of one standard deviation, half up and half down; dotted, in the same
        colour, the mean distance expected of masks of the same sizes in every layer.

    Raises
    ------
    InputError
        The table has no rows or other columns, or compares different iterations.
    UsageError
        There are more lines than a reader can tell apart.

    Notes
    -----
    Paganini & Forde (2020), Figures 3, 9 and 10, which have no chance level.

    Examples
    --------
    >>> from maskstat.mask import Mask
    >>> from maskstat.run import Run
    >>> from maskstat.stats.contrast import contrast
    >>> runs = [
    ...     Run.from_masks("r", [Mask.from_arrays({"fc": bits})], method=method, seed=0)
    ...     for method, bits in (("l1", [1, 1, 0, 0]), ("l2", [1, 0, 1, 0]))
    ... ]
    >>> figure = contrast_over_iterations(contrast(*runs, differ="method"))
    >>> [axes.get_title() for axes in figure.axes]
    ['fc\n4 weights', 'total\n4 weights']
    """
    rows = drawable_rows(table, _COLUMNS, source="contrast")
    layers = by_layer(rows)
    groups = in_groups(rows)
    styles = looks(list(groups), methods_of(table.inputs))
    pairs = replicates([row["pairs"] for row in rows], "pair")
    band = "mean ± ½ sd" if any(row["low"] is not None for row in rows) else "mean"
    figure, axes = panel_grid(
        {layer: count(group[0]["size"], "weight") for layer, group in layers.items()},
        title=contrast_title(table, rows),
        x_label=f"pruning iteration; under it: weights kept in the layer, %\n{band} over {pairs} "
        "of the same seed",
        y_label="Jaccard distance",
        legend=_legend(styles),
        tick_lines=2,
    )
    for one, group in zip(axes, layers.values(), strict=True):
        _draw_layer(one, group, styles)
    axes[0].set_ylim(-0.02, 1.02)
    return figure


def contrast_title(table: Table, rows: Rows) -> str:
    """Say between what the pairs are, and on what.

    Parameters
    ----------
    table
        A table of contrasts.
    rows
        Its rows.

    Returns
    -------
    str
    """
    differ, baseline = (table.parameters.get(name) for name in ("differ", "baseline"))
    on = among(table.inputs, without="dataset" if differ == "dataset" else None)
    values = {(row["value_a"], row["value_b"]) for row in rows}
    if len(values) == 1:
        ((a, b),) = values
        return f"{_capital(_worded(a))} and {_worded(b)}{on}"
    if baseline is not None:
        return f"{_capital(_worded(str(baseline)))} and others{on}"
    things = {"method": "pruning methods", "dataset": "data sets", "rewind": "ways to rewind"}
    return f"Between {things.get(str(differ), 'runs')}{on}"


def _worded(value_: str) -> str:
    return _REWOUND.get(value_, clip(task_name(value_), 24))


def _capital(text: str) -> str:
    """Begin a title; names of methods and data sets stay as they are."""
    return text.capitalize() if text in _REWOUND.values() else text


def in_groups(rows: Rows) -> dict[str, list[dict[str, Any]]]:
    """Group rows by the pairs that they are over; a row is of one iteration.

    Raises
    ------
    InputError
        Different iterations are compared.
    """
    groups: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        if row["iteration"] is None:
            raise InputError(
                "different iterations, or masks without one, are compared",
                code="no-common-iteration",
                place=row["group"],
                consequence="a figure over iterations needs the same iteration of both",
                hint="give runs, not single masks",
            )
        groups.setdefault(row["group"], []).append(row)
    return groups


def _legend(styles: Mapping[str, dict[str, Any]]) -> dict[str, Artist]:
    entries = handles(styles, width=60)
    chance = {**_CHANCE, "color": COLOURS["grey"]}
    entries["dotted: by chance at the same layer sizes"] = handle(chance)
    return entries


def _draw_layer(axes: Axes, rows: Rows, styles: Mapping[str, dict[str, Any]]) -> None:
    """Draw one panel."""
    shares: dict[int, list[float]] = {}
    for name, group in in_groups(rows).items():
        iterations = np.array([row["iteration"] for row in group], np.float64)
        mean, low, high, chance = (
            np.array([value(row, column) for row in group])
            for column in ("jaccard_distance", "low", "high", "expected_distance")
        )
        draw_band(axes, iterations, mean, low, high, styles[name])
        axes.plot(iterations, chance, zorder=1.5, **{**styles[name], **_CHANCE})
        if len(iterations) == 1:
            axes.lines[-1].set_marker("_")  # there is no line to be seen
        for row in group:
            shares.setdefault(row["iteration"], []).append(row["density"])
    mark_iterations(axes, shares)
