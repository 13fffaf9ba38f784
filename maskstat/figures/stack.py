"""Stack: panels of one width, one above the other, over a legend that has its own room."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from matplotlib.artist import Artist

from maskstat.figures.panels import legend_columns
from maskstat.figures.style import Axes, Figure, new_figure

__all__ = ["stacked"]

# Inches.
_LEFT, _RIGHT, _TOP = 0.62, 0.1, 0.27
_PANEL_TITLE, _GAP, _LINE, _TICK_LINE = 0.2, 0.12, 0.15, 0.115


def stacked(
    panels: Sequence[str],
    *,
    title: str,
    x_label: str,
    y_labels: Sequence[str],
    legend: Mapping[str, Artist],
    width: float = 3.4,
    height: float = 2.1,
    tick_lines: int = 1,
) -> tuple[Figure, list[Axes]]:
    """Return a figure with panels above each other, over one x axis.

    Parameters
    ----------
    panels
        Their titles; an empty one takes no room.
    title
        What the figure shows.
    x_label
        What the x axis is, under the last panel.
    y_labels
        What each panel's y axis is.
    legend
        Name to an artist that looks like what it names; the legend lies under everything.
    width
        Of the figure in inches; 3.4 is one column of a paper, 7 two.
    height
        Of each panel in inches.
    tick_lines
        Lines of text at each tick of the x axis.

    Returns
    -------
    Figure
    list of Axes
        One a panel, from above.
    """
    n_beside = legend_columns(list(legend), width)
    legend_lines = -(-len(legend) // n_beside) if legend else 0
    ticks = tick_lines * _TICK_LINE + 0.1
    below = (x_label.count("\n") + 1 + legend_lines) * _LINE + 0.14
    titles = [_PANEL_TITLE if text else 0.04 for text in panels]
    total = _TOP + sum(titles) + len(panels) * height + (len(panels) - 1) * _GAP + ticks + below
    figure = new_figure(width, total)
    axes: list[Axes] = []
    top = total - _TOP
    inner = (width - _LEFT - _RIGHT) / width
    for index, (text, room, y_label) in enumerate(zip(panels, titles, y_labels, strict=True)):
        low = top - room - height
        box = (_LEFT / width, low / total, inner, height / total)
        one = figure.add_axes(box, sharex=axes[0] if axes else None)
        if text:
            one.set_title(text)
        one.set_ylabel(y_label)
        one.yaxis.set_label_coords(-(_LEFT - 0.14) / (width * inner), 0.5)
        one.tick_params(labelbottom=index == len(panels) - 1)
        axes.append(one)
        top = low - _GAP
    middle = (_LEFT + width - _RIGHT) / 2 / width
    figure.suptitle(title, x=0.5, y=1 - 0.07 / total)
    figure.supxlabel(x_label, x=middle, y=below / total, va="top")
    if legend:
        figure.legend(
            list(legend.values()),
            list(legend),
            loc="lower center",
            bbox_to_anchor=(0.5, 0.03 / total),
            ncols=n_beside,
            borderaxespad=0,
            columnspacing=1.2,
            handlelength=2.2,
        )
    return figure, axes
