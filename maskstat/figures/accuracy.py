"""Accuracy over sparsity: a line a group of runs, with its spread."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from textwrap import wrap
from typing import Any, Literal, TypeAlias

import numpy as np
from matplotlib.artist import Artist
from numpy.typing import NDArray

from maskstat.figures.lines import Scale, draw_band, handle, handles, looks, share_axis
from maskstat.figures.names import among, replicates
from maskstat.figures.places import methods_of
from maskstat.figures.rows import drawable_rows, value
from maskstat.figures.stack import stacked
from maskstat.figures.style import COLOURS, Axes, Figure, styled
from maskstat.table import Table

__all__ = ["accuracy_over_sparsity"]

Rows: TypeAlias = Sequence[dict[str, Any]]
Floats: TypeAlias = NDArray[np.float64]
Abscissa: TypeAlias = Literal["sparsity", "density"]

_COLUMNS = ("group", "iteration", "size", "sparsity", "density", "n", "differ", "accuracy", "low",
            "high")  # fmt: skip

_DENSE: dict[str, Any] = {"color": COLOURS["grey"], "lw": 0.9, "ls": (0, (1, 2))}
_RUN: dict[str, Any] = {"lw": 0.5, "alpha": 0.55, "marker": ""}
_X_LABELS = {
    "sparsity": "sparsity: prunable weights pruned, %",
    "density": "prunable weights kept, %",
}


@styled
def accuracy_over_sparsity(
    table: Table,
    *,
    each: Table | None = None,
    x: Abscissa = "sparsity",
    scale: Scale = "logit",
) -> Figure:
    """Draw the test accuracy of pruned networks over their sparsity.

    Parameters
    ----------
    table
        What `maskstat.stats.accuracy.accuracy` returns.
    each
        The same with ``group_by=None``: every run alone, in the same order, drawn as a thin line
        in its group's place of the legend.
    x
        ``sparsity`` or ``density``.
    scale
        ``logit``: both axes spread near 0 and 1, as in the paper; an axis on which a mean is 0 or
        1, which have no place there, stays linear. ``linear``: plain axes.

    Returns
    -------
    Figure
        A line a group, through the means over its runs; its band is one standard deviation wide,
        half up and half down. The dense network has no place on a logit axis: where all groups
        start from the same, its accuracy is a dashed line.

    Raises
    ------
    InputError
        The table has no rows or other columns.
    UsageError
        There are more lines than a reader can tell apart.

    Notes
    -----
    Paganini & Forde (2020), Figures 2 and 8; Grosse & Backes (2020), Figures 1b and 7a.

    Examples
    --------
    >>> from maskstat.mask import Mask
    >>> from maskstat.run import Run
    >>> from maskstat.stats.accuracy import accuracy
    >>> run = Run.from_masks(
    ...     "mine",
    ...     [Mask.from_arrays({"fc": bits}) for bits in ([1, 1, 1, 0], [1, 0, 0, 0])],
    ...     method="l1", series={"test_accuracy": np.array([0.9, 0.8, 0.5])},
    ... )
    >>> (axes,) = accuracy_over_sparsity(accuracy(run)).axes
    >>> axes.get_lines()[0].get_xdata().tolist()
    [0.25, 0.75]
    """
    rows = drawable_rows(table, _COLUMNS, source="accuracy")
    groups = _grouped(rows)
    styles = looks(list(groups), methods_of(table.inputs))
    scales = _scales([*rows, *(each or ())], x, scale)
    skip_dense = scales["x"] == "logit"
    dense = _dense(groups) if skip_dense else None
    single = each is None and all(row["low"] is None for row in rows)
    figure, (axes,) = stacked(
        [""],
        title=f"Test accuracy{among(table.inputs, without=table.parameters.get('group_by'))}",
        x_label=_X_LABELS[x] + ("" if single else f"\n{_explained(rows)}"),
        y_labels=["accuracy on the test set, %"],
        legend=_legend(styles, dense=dense is not None, each=each is not None),
    )
    drawn = [
        *_draw(axes, groups, styles, x=x, skip_dense=skip_dense),
        *(_draw_runs(axes, table, each, styles, x=x, skip_dense=skip_dense) if each else ()),
    ]
    if dense is not None:
        axes.axhline(dense, zorder=1, **_DENSE)
        drawn.append((np.array([]), np.array([dense])))
    places, heights = (np.concatenate(values) for values in zip(*drawn, strict=True))
    share_axis(axes, "x", places, scales["x"])
    share_axis(axes, "y", heights, scales["y"])
    return figure


def _scales(rows: Rows, x: Abscissa, scale: Scale) -> dict[str, Scale]:
    """Return the scale of either axis: linear where a value has no place on a logit one."""
    pruned = [row for row in rows if row["sparsity"] > 0]
    scales: dict[str, Scale] = {}
    for axis, column in (("x", x), ("y", "accuracy")):
        inside = all(0 < row[column] < 1 for row in pruned)
        scales[axis] = scale if pruned and inside else "linear"
    return scales


def _grouped(rows: Rows) -> dict[str, Rows]:
    groups: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        groups.setdefault(row["group"], []).append(row)
    return {name: sorted(group, key=lambda row: row["sparsity"]) for name, group in groups.items()}


def _dense(groups: Mapping[str, Rows]) -> float | None:
    """Return the dense network's accuracy, if all groups start from the same."""
    found = {row["accuracy"] for rows in groups.values() for row in rows if row["sparsity"] == 0}
    everywhere = all(any(row["sparsity"] == 0 for row in rows) for rows in groups.values())
    (accuracy,) = found if len(found) == 1 and everywhere else (None,)
    return accuracy if accuracy is not None and 0 < accuracy < 1 else None


def _explained(rows: Rows) -> str:
    differ = {row["differ"] for row in rows if row["n"] > 1}
    over = replicates([row["n"] for row in rows], "run")
    what = ", ".join(sorted(d for d in differ if d))
    text = f"mean ± ½ sd over {over}" + (f" that differ in {what}" if what else "")
    return "\n".join(wrap(text, 48))


def _legend(styles: Mapping[str, dict[str, Any]], *, dense: bool, each: bool) -> dict[str, Artist]:
    entries = handles(styles, width=44)
    if dense:
        entries["not pruned"] = handle(_DENSE)
    if each:
        entries["each run"] = handle({"color": COLOURS["grey"], **_RUN})
    return entries


def _draw(
    axes: Axes,
    groups: Mapping[str, Rows],
    styles: Mapping[str, dict[str, Any]],
    *,
    x: Abscissa,
    skip_dense: bool,
) -> list[tuple[Floats, Floats]]:
    """Draw the groups; return what has to lie within the axes."""
    drawn = []
    for name, rows in groups.items():
        shown = [row for row in rows if row["sparsity"] > 0 or not skip_dense]
        places = np.array([row[x] for row in shown], np.float64)
        mean, low, high = (
            np.array([value(row, column) for row in shown])
            for column in ("accuracy", "low", "high")
        )
        draw_band(axes, places, mean, low, high, styles[name])
        drawn.append((places, np.concatenate([mean, low, high])))
    return drawn


def _draw_runs(
    axes: Axes,
    table: Table,
    each: Table,
    styles: Mapping[str, dict[str, Any]],
    *,
    x: Abscissa,
    skip_dense: bool,
) -> list[tuple[Floats, Floats]]:
    """Draw every run as a thin line in its group's colour."""
    drawn = []
    group_of = dict(zip(each.parameters["groups"], table.parameters["groups"], strict=True))
    for name, rows in _grouped(each.rows()).items():
        style = {**styles[group_of[name]], **_RUN}
        shown = [row for row in rows if row["sparsity"] > 0 or not skip_dense]
        places, mean = (
            np.array([row[column] for row in shown], np.float64) for column in (x, "accuracy")
        )
        axes.plot(places, mean, zorder=1.5, **style)
        drawn.append((places, mean))
    return drawn
