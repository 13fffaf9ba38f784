"""Weights that all masks of a group keep and that none keeps, as pruning goes on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
from matplotlib.artist import Artist
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from numpy.typing import NDArray

from maskstat.figures.iteration_ticks import mark_iterations
from maskstat.figures.iterations import iterations_of
from maskstat.figures.labels import count
from maskstat.figures.panels import panel_grid
from maskstat.figures.rows import by_layer, drawable_rows
from maskstat.figures.style import COLOURS, Axes, Figure, styled
from maskstat.table import Table

__all__ = ["shared_over_iterations"]

Rows: TypeAlias = Sequence[dict[str, Any]]

_COLUMNS = ("group", "iteration", "layer", "size", "masks", "kept", "kind", "normalized",
            "normalized_expected", "normalized_sd", "normalized_baseline",
            "normalized_half_width")  # fmt: skip

_KINDS = {
    "shared": ("kept by all", "blue", "o", -0.22),
    "never": ("kept by none", "vermilion", "s", 0.22),
}
_ASIDE = 0.12  # between an observed mean and its expectation
_EXPECTED: dict[str, Any] = {
    "color": COLOURS["black"], "marker": "D", "ms": 2.4, "mfc": "white", "mew": 0.7, "ls": "",
    "elinewidth": 0.8,
}  # fmt: skip
_PRINTED: dict[str, Any] = {"color": "#DCDCDC", "lw": 0}


@styled
def shared_over_iterations(table: Table) -> Figure:
    """Draw what all masks of a group share, and what none of them keeps, by iteration and layer.

    Parameters
    ----------
    table
        What `maskstat.stats.shared_kept.shared_and_never` returns.

    Returns
    -------
    Figure
        A panel a layer in network order, then the total. Coloured: the mean over groups, with one
        standard deviation over groups either side where there are several. Diamonds: the exact
        expectation, with two standard deviations of a single group. Grey: the spread that the
        paper's formula gives around it as printed, cut at the axis; it is no valid one.

    Raises
    ------
    InputError
        The table has no rows or other columns, or iterations are mixed within a group.

    Notes
    -----
    Grosse & Backes (2020), Figure 4 and Appendix B. Weights kept by all are in per cent of the
    smallest mask, weights kept by none in per cent of what disjoint masks could cover.

    Examples
    --------
    >>> from maskstat.mask import Mask
    >>> from maskstat.run import Run
    >>> from maskstat.stats.shared_kept import shared_and_never
    >>> mask = Mask.from_arrays({"fc": [1, 1, 0, 0]})
    >>> table = shared_and_never(Run.from_masks("a", [mask]), Run.from_masks("b", [mask]))
    >>> [axes.get_title().split()[0] for axes in shared_over_iterations(table).axes]
    ['fc', 'total']
    """
    rows = drawable_rows(table, _COLUMNS, source="shared_and_never")
    iterations_of(rows)
    panels = by_layer(rows)
    top = 1.08 * max(_highest(rows, group=panel) for panel in panels.values())
    sizes = {row["masks"] for row in rows}
    groups = {row["group"] for row in rows}
    figure, axes = panel_grid(
        {layer: count(panel[0]["size"], "weight") for layer, panel in panels.items()},
        title=_title(groups, sizes),
        x_label="pruning iteration\nweights kept in the layer, %\n"
        "after Grosse & Backes (2020), Figure 4",
        y_label="weights, % of the most possible",
        legend=_legend(len(groups)),
        tick_lines=2,
    )
    for one, panel in zip(axes, panels.values(), strict=True):
        _draw_layer(one, panel, top)
    axes[0].set_ylim(-0.02 * top, top)
    return figure


def _title(groups: set[str | None], sizes: set[int]) -> str:
    least, most = min(sizes), max(sizes)
    masks = count(most, "mask") if least == most else f"{least} to {most} masks"
    if len(groups) > 1:
        return f"Kept by all, kept by none: mean ± sd of {len(groups)} groups of {masks}"
    return f"Kept by all, kept by none: {masks}"


def _percent(rows: Rows, name: str) -> NDArray[np.float64]:
    return 100 * np.array([np.nan if row[name] is None else row[name] for row in rows], np.float64)


def _at(rows: Rows, kind: str, iteration: int) -> Rows:
    return [row for row in rows if row["kind"] == kind and row["iteration"] == iteration]


def _sd(values: NDArray[np.float64]) -> float:
    return float(values.std(ddof=1)) if values.size > 1 else 0.0


def _highest(rows: Rows, *, group: Rows) -> float:
    """Return the highest value of a panel that has to be seen."""
    tops = [0.5]
    for kind in _KINDS:
        for iteration in iterations_of(group):
            found = _at(group, kind, iteration)
            observed = _percent(found, "normalized")
            expected = _percent(found, "normalized_expected") + 2 * _percent(found, "normalized_sd")
            tops += [float(observed.mean()) + _sd(observed), float(expected.mean())]
    return float(np.nanmax(tops))


def _draw_layer(axes: Axes, rows: Rows, top: float) -> None:
    """Draw one panel."""
    iterations = iterations_of(rows)
    for kind, (_, colour, marker, offset) in _KINDS.items():
        found = [_at(rows, kind, iteration) for iteration in iterations]
        x = np.array(iterations) + offset
        _draw_printed(axes, x + _ASIDE, found, top)
        observed = [_percent(group, "normalized") for group in found]
        several = any(values.size > 1 for values in observed)
        axes.errorbar(
            x - _ASIDE,
            [values.mean() for values in observed],
            yerr=[_sd(values) for values in observed] if several else None,
            color=COLOURS[colour],
            marker=marker,
            ms=2.8,
            mew=0,
            ls="",
            elinewidth=0.9,
            zorder=4,
        )
        expected, reach = (
            np.array([_percent(group, name).mean() for group in found])
            for name in ("normalized_expected", "normalized_sd")
        )
        axes.errorbar(
            x + _ASIDE,
            expected,
            yerr=[np.minimum(2 * reach, np.maximum(expected, 0)), 2 * reach],
            zorder=3,
            **_EXPECTED,
        )
    at = {t: [r["kept"] / r["size"] for r in rows if r["iteration"] == t] for t in iterations}
    mark_iterations(axes, at)
    axes.grid(visible=False, axis="x")


def _draw_printed(axes: Axes, x: NDArray[np.float64], found: Sequence[Rows], top: float) -> None:
    """Draw the paper's baseline as far as the axis goes; totals have none."""
    mean, half = (
        np.array([_percent(group, name).mean() for group in found])
        for name in ("normalized_baseline", "normalized_half_width")
    )
    low, high = np.clip(mean - half, 0, top), np.clip(mean + half, 0, top)
    known = np.isfinite(mean)
    axes.bar(x[known], (high - low)[known], bottom=low[known], width=0.16, zorder=0, **_PRINTED)


def _legend(n_groups: int) -> dict[str, Artist]:
    entries: dict[str, Artist] = {}
    for name, colour, marker, _ in _KINDS.values():
        look: dict[str, Any] = {"color": COLOURS[colour], "marker": marker, "ms": 3, "lw": 0.9}
        entries[name] = Line2D([], [], ls="-" if n_groups > 1 else "", **look)
    look = {name: _EXPECTED[name] for name in ("color", "marker", "ms", "mfc", "mew")}
    entries["expected by chance ± 2 sd"] = Line2D([], [], lw=0.8, **look)
    entries["spread as printed, cut"] = Patch(**_PRINTED)
    return entries
