"""How many pairs are significant, as pruning goes on, beside how many chance makes so."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
from matplotlib.artist import Artist
from matplotlib.lines import Line2D
from numpy.typing import NDArray

from maskstat.errors import InputError
from maskstat.figures.iteration_ticks import mark_iterations
from maskstat.figures.iterations import iterations_of
from maskstat.figures.labels import count
from maskstat.figures.panels import panel_grid
from maskstat.figures.rows import by_layer, drawable_rows, value
from maskstat.figures.style import COLOURS, Axes, Figure, styled
from maskstat.table import Table

__all__ = ["fraction_significant"]

Rows: TypeAlias = Sequence[dict[str, Any]]
Floats: TypeAlias = NDArray[np.float64]

_COLUMNS = ("group", "iteration", "layer", "pairs", "runs", "density", "tested",
            *(f"{kind}{level}" for level in ("95", "99")
              for kind in ("above", "below", "expected_above", "expected_below")))  # fmt: skip

_LEVELS = {"95": ("5 %", "blue", "o", -0.1), "99": ("1 %", "orange", "s", 0.1)}
_GROUPS: dict[str, dict[str, Any]] = {
    "all": {"ls": "-"},
    "within": {"ls": "-"},
    "between": {"ls": (0, (2, 1.5)), "lw": 0.8, "mfc": "white", "mew": 0.8},
}
_EXPECTED: dict[str, Any] = {"ls": (0, (1, 1)), "lw": 1.1}


@styled
def fraction_significant(table: Table) -> Figure:
    """Draw the share of pairs whose overlap is significant at 5 % and at 1 %.

    Parameters
    ----------
    table
        What `summarize` returns, for several iterations.

    Returns
    -------
    Figure
        A panel a layer in network order, then the total. Lines: the share of the pairs that can
        be tested with an overlap outside the central 95 % and 99 % region, more or less, within
        groups and, hollow, across. Dotted: the exact share by chance, which is less than 5 % and
        1 % where few overlaps are possible; shaded: two standard deviations of it.

    Raises
    ------
    InputError
        The table has no rows or other columns, or no pair could be tested by these regions.

    Notes
    -----
    Grosse & Backes (2020), Figure 11. The standard deviation is that of as many tests of the mean
    exact size s, sqrt(s (1 - s) / n): under the null the pairs of several masks are independent
    two by two. A share can fall at high sparsity because the power to see an overlap is lost.

    Examples
    --------
    >>> from maskstat.mask import Mask
    >>> from maskstat.run import Run
    >>> from maskstat.stats.compare import compare
    >>> from maskstat.stats.summary import summarize
    >>> mask = Mask.from_arrays({"fc": [1, 1, 1, 1, 0, 0, 0, 0, 0, 0]})
    >>> runs = [Run.from_masks(name, [mask]) for name in "abc"]
    >>> figure = fraction_significant(summarize(compare(*runs, iteration="all")))
    >>> figure.axes[0].get_lines()[0].get_ydata().tolist()
    [100.0]
    """
    rows = drawable_rows(table, _COLUMNS, source="summarize")
    iterations_of(rows)
    if all(row["above95"] is None for row in rows):
        raise InputError(
            "no pair has been tested against a central region",
            code="nothing-to-draw",
            consequence="there is nothing to draw",
            hint="masks of different runs, under the default null",
        )
    panels = by_layer(rows)
    figure, axes = panel_grid(
        {layer: _tested(panel) for layer, panel in panels.items()},
        title=_title(rows),
        x_label="pruning iteration\nweights kept in the layer, %\n"
        "after Grosse & Backes (2020), Figure 11",
        y_label="pairs significant, %",
        legend=_legend(rows),
        tick_lines=2,
    )
    for one, panel in zip(axes, panels.values(), strict=True):
        _draw_layer(one, panel)
    axes[0].set_ylim(-3, 104)
    return figure


def _draw_layer(axes: Axes, rows: Rows) -> None:
    """Draw one panel."""
    groups = list(dict.fromkeys(row["group"] for row in rows))
    for level, (_, colour, marker, aside) in _LEVELS.items():
        for group in groups:
            found = [row for row in rows if row["group"] == group]
            x = np.array([row["iteration"] for row in found]) + aside
            axes.plot(x, 100 * _both(found, level), zorder=3, **_look(colour, marker, group))
        found = [row for row in rows if row["group"] == groups[0]]
        _draw_expected(axes, found, level, colour)
    shares = {t: [r["density"] for r in rows if r["iteration"] == t] for t in iterations_of(rows)}
    mark_iterations(axes, shares)
    axes.grid(visible=False, axis="x")


def _look(colour: str, marker: str, group: str) -> dict[str, Any]:
    """Return how a line looks: coloured by level, hollow across groups."""
    style = {"color": COLOURS[colour], "marker": marker, "ms": 2.8, "mew": 0, "lw": 1.1}
    return style | _GROUPS[group]


def _draw_expected(axes: Axes, rows: Rows, level: str, colour: str) -> None:
    """Draw the exact share by chance and its spread, for the first group."""
    x = np.array([row["iteration"] for row in rows], np.float64)
    expected = _both(rows, level, "expected_")
    tested = np.array([row["tested"] for row in rows], np.float64)
    sd = np.sqrt(expected * (1 - expected) / np.where(tested > 0, tested, np.nan))
    low, high = (100 * np.clip(expected + side * 2 * sd, 0, 1) for side in (-1, 1))
    single: dict[str, Any] = {"marker": "_", "ms": 8} if x.size == 1 else {}
    axes.plot(x, 100 * expected, color=COLOURS[colour], zorder=2, **_EXPECTED, **single)
    axes.fill_between(x, low, high, color=COLOURS[colour], alpha=0.18, lw=0, zorder=1)


def _both(rows: Rows, level: str, prefix: str = "") -> Floats:
    """Return the share above and below together."""
    return np.array(
        [value(row, f"{prefix}above{level}") + value(row, f"{prefix}below{level}") for row in rows]
    )


def _tested(rows: Rows) -> str:
    """Say how many pairs could be tested at each iteration."""
    groups = list(dict.fromkeys(row["group"] for row in rows))
    told = []
    for group in groups:
        tests = sorted({row["tested"] for row in rows if row["group"] == group})
        told.append(f"{tests[0]}–{tests[-1]}" if len(tests) > 1 else f"{tests[0]}")
    return f"{' and '.join(told)} tests"


def _title(rows: Rows) -> str:
    pairs = {row["group"]: row["pairs"] for row in rows}
    said = {
        "all": count(pairs.get("all", 0), "pair"),
        "within": f"{count(pairs.get('within', 0), 'pair')} within groups",
        "between": f"{pairs.get('between', 0):,} across",
    }
    return f"Significant overlaps: {', '.join(said[group] for group in pairs)}"


def _legend(rows: Rows) -> dict[str, Artist]:
    groups = list(dict.fromkeys(row["group"] for row in rows))
    entries: dict[str, Artist] = {}
    for name, colour, marker, _ in _LEVELS.values():
        for group in groups:
            side = {"all": "", "within": ", within", "between": ", across"}[group]
            entries[f"at {name}{side}"] = Line2D([], [], **_look(colour, marker, group))
    entries["by chance, ± 2 sd"] = Line2D([], [], color=COLOURS["grey"], **_EXPECTED)
    return entries
