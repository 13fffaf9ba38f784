"""Rank correlations of initial and final weights, run by run, beside their controls."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np
from matplotlib.artist import Artist
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from numpy.typing import NDArray

from maskstat.errors import InputError
from maskstat.figures.dots import spread
from maskstat.figures.groups import SHADES, group_colours, group_names
from maskstat.figures.labels import count, percent_range
from maskstat.figures.panels import panel_grid
from maskstat.figures.rows import by_layer, drawable_rows, value
from maskstat.figures.style import COLOURS, Axes, Figure, styled
from maskstat.stats.summary import group_values
from maskstat.table import Table

__all__ = ["rank_correlations"]

Rows: TypeAlias = Sequence[dict[str, Any]]

_COLUMNS = ("run", "iteration", "layer", "n", "rho", "selected_rho", "whole_rho", "whole_n")

_STRIPS = {"rho": "ticket", "selected_rho": "same\nweights", "whole_rho": "whole\nlayer"}
_ZERO: dict[str, Any] = {"color": COLOURS["black"], "lw": 0.8}
_CHANCE: dict[str, Any] = {"color": "#DCDCDC", "lw": 0}


@styled
def rank_correlations(table: Table, *, group_by: str | None = None) -> Figure:
    """Draw the rank correlation of initial and final weights of each run, layer by layer.

    Parameters
    ----------
    table
        What `correlate` returns for one iteration of each run.
    group_by
        A key of `maskstat.stats.summary.GROUP_KEYS`: runs that agree in it have one colour.

    Returns
    -------
    Figure
        A panel a layer in network order, then the total. A dot is a run, in three strips: its
        ticket, trained in the mask; the dense network's training, of the same weights; and of the
        whole layer. From the third to the second is what selection does alone. Grey is where
        95 % of unrelated orders of as many weights lie.

    Raises
    ------
    InputError
        The table has no rows or other columns, or several iterations of a run.
    UsageError
        There is no such key, or a run does not have it.

    Notes
    -----
    Grosse & Backes (2020), Figures 5 and 12, without the controls. Unrelated orders of n weights
    have mean 0 and variance 1 / (n - 1), exactly; the region is ± 1.96 standard deviations.

    Examples
    --------
    >>> from maskstat.table import Column
    >>> row = {"run": "a", "iteration": 1, "layer": "fc", "n": 50, "rho": 0.5,
    ...        "selected_rho": 0.4, "whole_rho": 0.2, "whole_n": 100}
    >>> columns = {name: Column("number", "") for name in row}
    >>> table = Table(schema="", columns=columns, data={n: [v] for n, v in row.items()})
    >>> [c.get_offsets()[0, 1].item() for c in rank_correlations(table).axes[0].collections]
    [0.5, 0.4, 0.2]
    """
    rows = drawable_rows(table, _COLUMNS, source="correlate")
    _require_one_iteration_a_run(rows)
    colours = _colours(table, rows, group_by)
    panels = by_layer(rows)
    figure, axes = panel_grid(
        {layer: _kept(panel) for layer, panel in panels.items()},
        title=_title(rows),
        x_label="trained in the mask | in the dense network\n"
        "after Grosse & Backes (2020), Figures 5 and 12",
        y_label="rank correlation",
        legend=_legend(colours, rows, group_by),
        tick_lines=2,
    )
    for one, panel in zip(axes, panels.values(), strict=True):
        _draw_layer(one, panel, colours)
    axes[0].set_ylim(*_limits(rows))
    return figure


def _require_one_iteration_a_run(rows: Rows) -> None:
    for (run, _), times in Counter((row["run"], row["layer"]) for row in rows).items():
        if times > 1:
            raise InputError(
                f"{times} iterations are selected",
                code="several-iterations",
                place=run,
                consequence="this figure shows one iteration of each run",
                hint="--iteration last",
            )


def _colours(table: Table, rows: Rows, group_by: str | None) -> dict[str, tuple[str, str]]:
    """Return the group and colour of each run."""
    if group_by is None:
        return {row["run"]: ("each run", SHADES[0]) for row in rows}
    value_of = group_values(table, group_by)
    names = group_names(list(value_of.values()), group_by)
    colour_of = group_colours(names, group_by, table)
    return {row["run"]: (name := names[value_of[row["run"]]], colour_of[name]) for row in rows}


def _draw_layer(axes: Axes, rows: Rows, colours: Mapping[str, tuple[str, str]]) -> None:
    """Draw one panel."""
    axes.axhline(0, zorder=1, **_ZERO)
    for place, name in enumerate(_STRIPS):
        values = np.array([value(row, name) for row in rows], np.float64)
        n = _mean_size(rows, "whole_n" if name == "whole_rho" else "n")
        reach = _reach(n)
        if np.isfinite(values).any():
            axes.bar(place, 2 * reach, bottom=-reach, width=0.9, zorder=0.5, **_CHANCE)
        known = np.isfinite(values)
        axes.scatter(
            (place + spread(values.size, 0.7))[known],
            values[known],
            s=6,
            lw=0,
            alpha=0.8,
            zorder=3,
            color=np.array([colours[row["run"]][1] for row in rows])[known].tolist(),
        )
        if not known.any():
            axes.text(place, 0.02, "not\nstored", ha="center", va="bottom", fontsize=6)
    axes.set_xticks(range(len(_STRIPS)), list(_STRIPS.values()))
    axes.set_xlim(-0.6, len(_STRIPS) - 0.4)
    axes.grid(visible=False, axis="x")


def _reach(n: float | None) -> float:
    """Return where 95 % of unrelated orders end; all of them, for very few weights."""
    return min(1.96 / float(np.sqrt(n - 1)), 1.0) if n is not None and n > 1 else 1.0


def _mean_size(rows: Rows, name: str) -> float | None:
    sizes = [row[name] for row in rows if row[name] is not None]
    return sum(sizes) / len(sizes) if sizes else None


def _limits(rows: Rows) -> tuple[float, float]:
    """Enclose all values and the tickets' regions of unrelated orders, in fifths."""
    values: NDArray[np.float64] = np.array(
        [value(row, name) for row in rows for name in _STRIPS], np.float64
    )
    reach = max(_reach(_mean_size(panel, "n")) for panel in by_layer(rows).values())
    known = np.append(values[np.isfinite(values)], [-reach, reach])
    low, high = np.floor(5 * known.min() - 0.1) / 5, np.ceil(5 * known.max() + 0.1) / 5
    return max(float(low), -1.04), min(float(high), 1.04)


def _kept(rows: Rows) -> str:
    """Say how many weights the masks keep."""
    sizes = sorted({row["n"] for row in rows})
    whole = {row["whole_n"] for row in rows}
    if len(whole) == 1 and None not in whole:
        shares = [row["n"] / row["whole_n"] for row in rows]
        return f"{percent_range(shares)} % of {rows[0]['whole_n']:,} kept"
    return f"{sizes[0]:,} to {sizes[-1]:,} kept" if len(sizes) > 1 else f"{sizes[0]:,} kept"


def _title(rows: Rows) -> str:
    runs = {row["run"] for row in rows}
    iterations = {row["iteration"] for row in rows}
    at = f", iteration {iterations.pop()}" if len(iterations) == 1 else ""
    return f"Initial and final weights of {count(len(runs), 'run')}{at}"


def _legend(
    colours: Mapping[str, tuple[str, str]], rows: Rows, group_by: str | None
) -> dict[str, Artist]:
    groups = Counter(colours[run] for run in dict.fromkeys(row["run"] for row in rows))
    entries: dict[str, Artist] = {}
    if group_by is not None and len({colour for _, colour in groups}) < len(groups):
        groups = Counter({(f"a run, coloured by {group_by}", SHADES[0]): 0})
    for (name, colour), n in groups.items():
        label = f"{name}: {count(n, 'run')}" if group_by and n else name
        entries[label] = Line2D([], [], ls="", marker="o", ms=2.8, mew=0, color=colour)
    entries["95 % of unrelated orders"] = Patch(**_CHANCE)
    return entries
