"""Panels: small multiples, one a layer, on a page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise

from matplotlib.artist import Artist

from maskstat.errors import UsageError
from maskstat.figures.labels import short_layers
from maskstat.figures.style import Axes, Figure, new_figure

__all__ = ["PANEL_CHARACTERS", "legend_columns", "panel_grid"]

PANEL_CHARACTERS = 25
"""How many characters of the tick labels' size fit under a panel."""

_MOST_PANELS = 200

# Inches. A page of four columns is as wide as two columns of a paper.
_LEFT, _RIGHT, _TOP = 0.64, 0.18, 0.27
_WIDTH, _HEIGHT = 1.48, 1.25
_GAP, _TITLE = 0.12, 0.34
_LINE, _TICK_LINE = 0.15, 0.12
_CHARACTER, _HANDLE = 0.053, 0.52


def panel_grid(
    layers: Mapping[str, str],
    *,
    title: str,
    x_label: str,
    y_label: str,
    legend: Mapping[str, Artist],
    tick_lines: int = 1,
) -> tuple[Figure, list[Axes]]:
    """Return a figure with one titled panel a layer, all over the same y axis.

    Parameters
    ----------
    layers
        Layer name to a line about it, such as its size, in the order of the panels.
    title
        What the figure shows.
    x_label, y_label
        What the axes of all panels are.
    legend
        Name to an artist that looks like what it names; the legend lies under the panels.
    tick_lines
        Lines of text at each tick of an x axis.

    Returns
    -------
    Figure
    list of Axes
        One a layer, in order.

    Raises
    ------
    UsageError
        There are more layers than a page can hold.
    """
    n = len(layers)
    if n > _MOST_PANELS:
        raise UsageError(
            f"{n} panels, one a layer",
            code="too-many-layers",
            consequence=f"a figure holds {_MOST_PANELS} at most",
            hint="name layers with --layer, e.g. --layer 'conv*'",
        )
    n_columns = _columns(n)
    n_rows = -(-n // n_columns)
    panel = max(_WIDTH, (3.4 - _LEFT - _RIGHT + _GAP) / n_columns - _GAP)
    width = _LEFT + n_columns * (panel + _GAP) - _GAP + _RIGHT
    n_beside = legend_columns(list(legend), width)
    bottom = (x_label.count("\n") + 1 - (-len(legend) // n_beside)) * _LINE + 0.14
    ticks = tick_lines * _TICK_LINE + 0.12
    height = _TOP + n_rows * (_TITLE + _HEIGHT + ticks) + bottom
    figure = new_figure(width, height)
    axes: list[Axes] = []
    for index, (name, short) in enumerate(zip(layers, short_layers(list(layers)), strict=True)):
        row, column = divmod(index, n_columns)
        left = _LEFT + column * (panel + _GAP)
        low = height - _TOP - (row + 1) * (_TITLE + _HEIGHT) - row * ticks
        box = (left / width, low / height, panel / width, _HEIGHT / height)
        one = figure.add_axes(box, sharey=axes[0] if axes else None)
        one.set_title(f"{short}\n{layers[name]}")
        one.title.set_fontweight("bold" if name == "total" else "normal")
        one.tick_params(labelleft=column == 0)
        axes.append(one)
    middle = (_LEFT + width - _RIGHT) / 2 / width
    figure.suptitle(title, x=0.5, y=1 - 0.07 / height)
    figure.supxlabel(x_label, x=middle, y=bottom / height, va="top")
    figure.supylabel(y_label, x=0.06 / width, y=(bottom + height - _TOP) / 2 / height, ha="left")
    figure.legend(
        list(legend.values()),
        list(legend),
        loc="lower center",
        bbox_to_anchor=(0.5, 0.03 / height),
        ncols=n_beside,
        borderaxespad=0,
    )
    return figure, axes


def _columns(n: int) -> int:
    """Fill the page's width, with few holes in the last row."""
    if n <= 4:
        return n
    return 3 if n in (5, 6, 9) else 4


def legend_columns(names: Sequence[str], width: float) -> int:
    """Return how many columns a legend of these names has room for.

    Parameters
    ----------
    names
        The entries, which fill one column after the other.
    width
        Of the figure in inches.

    Returns
    -------
    int

    Examples
    --------
    >>> legend_columns(["observed", "expected"], 3.4), legend_columns(["x" * 40, "y"], 2.5)
    (2, 1)
    """
    for n_columns in range(len(names), 1, -1):
        shortest, longer = divmod(len(names), n_columns)  # as matplotlib shares them out
        starts = [column * shortest + min(column, longer) for column in range(n_columns + 1)]
        columns = [names[start:stop] for start, stop in pairwise(starts)]
        if sum(max(map(len, names)) * _CHARACTER + _HANDLE for names in columns) <= width:
            return n_columns
    return 1
