"""Agreement of predictions: over pruning iterations, and at one of them as a matrix."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import product
from typing import Any, TypeAlias

import numpy as np
from matplotlib.artist import Artist
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from maskstat.errors import InputError
from maskstat.figures.contrast import contrast_title, in_groups
from maskstat.figures.labels import clip, count
from maskstat.figures.lines import draw_band, handle, handles, looks
from maskstat.figures.names import among, replicates, task_name
from maskstat.figures.places import methods_of
from maskstat.figures.rows import drawable_rows, value
from maskstat.figures.stack import stacked
from maskstat.figures.style import COLOURS, Axes, Figure, new_figure, styled
from maskstat.table import Table

__all__ = ["agreement_matrix", "agreement_over_iterations"]

Rows: TypeAlias = Sequence[dict[str, Any]]
Floats: TypeAlias = NDArray[np.float64]

_COLUMNS = ("group", "value_a", "value_b", "iteration", "dataset", "examples", "pairs", "agreement",
            "low", "high", "expected_agreement")  # fmt: skip

_CHANCE: dict[str, Any] = {"lw": 0.8, "ls": (0, (1, 1.5)), "marker": ""}
_FEW = 7

# Inches: a cell of the matrix, what lies above and below it.
_CELL, _ABOVE, _BELOW = 0.5, 0.34, 0.62


@styled
def agreement_over_iterations(table: Table) -> Figure:
    """Draw on what share of the examples networks predict the same class, as pruning goes on.

    Parameters
    ----------
    table
        What `maskstat.stats.contrast.contrast_predictions` returns.

    Returns
    -------
    Figure
        A line a group of pairs: the mean over seeds, with a band of one standard deviation, half up
        and half down. Dotted, in the same colour: agreement expected by chance, from how often each
        network predicts each class.

    Raises
    ------
    InputError
        The table has no rows or other columns, or compares different iterations.
    UsageError
        There are more lines than a reader can tell apart.

    Notes
    -----
    After Paganini & Forde (2020), Figure 11, which shows one iteration and no chance level.
    """
    rows = drawable_rows(table, _COLUMNS, source="contrast_predictions")
    groups = in_groups(rows)
    styles = looks(list(groups), methods_of(table.inputs))
    band = "mean ± ½ sd" if any(row["low"] is not None for row in rows) else "mean"
    figure, (axes,) = stacked(
        [""],
        title=contrast_title(table, rows),
        x_label=f"pruning iteration\n{band} over {_pairs(rows)}",
        y_labels=[f"same prediction, % of {count(rows[0]['examples'], 'example')}"],
        legend=_legend(styles),
        width=3.4 if len(groups) <= _FEW else 5.0,
        height=2.1 if len(groups) <= _FEW else 2.6,
    )
    for name, group in groups.items():
        iterations = np.array([row["iteration"] for row in group], np.float64)
        mean, low, high, chance = (
            np.array([100 * value(row, column) for row in group])
            for column in ("agreement", "low", "high", "expected_agreement")
        )
        draw_band(axes, iterations, mean, low, high, styles[name])
        axes.plot(iterations, chance, zorder=1.5, **{**styles[name], **_CHANCE})
        if len(iterations) == 1:
            axes.lines[-1].set_marker("_")
    axes.set_ylim(-2, 102)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    return figure


@styled
def agreement_matrix(table: Table) -> Figure:
    """Draw on how many examples every two kinds of networks predict the same class.

    Parameters
    ----------
    table
        What `maskstat.stats.contrast.contrast_predictions` returns for one iteration, all pairs
        differing in nothing else but the setting that names rows and columns.

    Returns
    -------
    Figure
        A symmetric matrix: the mean number over seeds, under it in grey what chance gives, from how
        often each network predicts each class. The diagonal is empty: a network agrees with itself.

    Raises
    ------
    InputError
        The table has no rows or other columns, or several of them for a pair.

    Notes
    -----
    Paganini & Forde (2020), Figure 11.
    """
    rows = drawable_rows(table, _COLUMNS, source="contrast_predictions")
    values = list(dict.fromkeys(v for row in rows for v in (row["value_a"], row["value_b"])))
    # In the order of the inputs, where every value was first met.
    differ = str(table.parameters.get("differ"))
    order = list(dict.fromkeys(str(record.get(differ)) for record in table.inputs))
    values.sort(key=lambda v: order.index(v) if v in order else len(order))
    n = len(values)
    observed, chance = np.full((2, n, n), np.nan)
    for row in rows:
        i, j = values.index(row["value_a"]), values.index(row["value_b"])
        if np.isfinite(observed[i, j]):
            raise InputError(
                "there are several rows for a pair",
                code="several-rows",
                place=row["group"],
                consequence="a matrix shows one iteration of runs that differ in one setting alone",
                hint="--iteration last, and --select for the rest",
            )
        for matrix, column in ((observed, "agreement"), (chance, "expected_agreement")):
            matrix[i, j] = matrix[j, i] = row["examples"] * value(row, column)
    return _draw_matrix(values, observed, chance, table, rows)


def _pairs(rows: Rows) -> str:
    return f"{replicates([row['pairs'] for row in rows], 'pair')} of the same seed"


def _legend(styles: Mapping[str, dict[str, Any]]) -> dict[str, Artist]:
    entries = handles(styles, width=60)
    entries["dotted: by chance"] = handle({**_CHANCE, "color": COLOURS["grey"]})
    return entries


def _draw_matrix(
    values: Sequence[str], observed: Floats, chance: Floats, table: Table, rows: Rows
) -> Figure:
    """Draw the matrix in cells of one size."""
    n = len(values)
    figure = new_figure(3.4, 3.4)
    axes = figure.add_axes((0, 0, 1, 1))
    colours = LinearSegmentedColormap.from_list("agreement", ["#FFFFFF", COLOURS["sky"]])
    edges = np.arange(n + 1) - 0.5
    axes.set_facecolor(COLOURS["pale"])
    axes.pcolormesh(
        edges, edges, observed, cmap=colours, vmin=0, vmax=rows[0]["examples"],
        edgecolors="white", lw=0.8,
    )  # fmt: skip
    axes.invert_yaxis()
    _write_numbers(axes, observed, chance)
    axes.set_xticks(range(n), [str(i + 1) for i in range(n)])
    names = [clip(task_name(name), 30) for name in values]
    axes.set_yticks(range(n), [f"{name}   {i + 1}" for i, name in enumerate(names)])
    axes.tick_params(length=0)
    axes.grid(visible=False)
    axes.spines[:].set_visible(False)
    iteration = rows[0]["iteration"]
    at = "" if iteration is None else f", pruning iteration {iteration}"
    figure.suptitle(f"Same prediction{among(table.inputs)}{at}")
    examples = count(rows[0]["examples"], "example")
    figure.supxlabel(
        f"of {examples}; mean over {_pairs(rows)}\ngrey: by chance, from how often each class is "
        "predicted",
        color=COLOURS["grey"],
        fontsize=6.5,
    )
    labels = max(label.get_window_extent().width for label in axes.get_yticklabels()) / figure.dpi
    side = _CELL * n
    width, height = max(3.4, labels + side + 0.3), side + _ABOVE + _BELOW
    figure.set_size_inches(width, height)
    figure.texts[0].set_y(1 - 0.07 / height)
    figure.texts[1].set_y(0.06 / height)
    left = (width - labels - side) / 2 + labels
    axes.set_position((left / width, _BELOW / height, side / width, side / height))
    return figure


def _write_numbers(axes: Axes, observed: Floats, chance: Floats) -> None:
    """Write each number over the one expected by chance."""
    for i, j in product(range(len(observed)), repeat=2):
        if i == j:
            continue
        text = f"{observed[i, j]:,.0f}" if np.isfinite(observed[i, j]) else "–"
        axes.text(j, i - 0.12, text, ha="center", va="center", fontsize=7.5)
        if np.isfinite(chance[i, j]):
            axes.text(j, i + 0.24, f"{chance[i, j]:,.0f}", ha="center", va="center", fontsize=6,
                      color=COLOURS["grey"])  # fmt: skip
