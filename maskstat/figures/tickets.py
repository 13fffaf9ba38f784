"""Tickets on tasks: what bespoke, consensus and random tickets reach on each of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np
from matplotlib.artist import Artist
from matplotlib.lines import Line2D

from maskstat.figures.labels import clip, percent
from maskstat.figures.names import replicates, task_name
from maskstat.figures.rows import drawable_rows
from maskstat.figures.stack import stacked
from maskstat.figures.style import COLOURS, Axes, Figure, styled
from maskstat.table import Table

__all__ = ["tickets_on_tasks"]

Rows: TypeAlias = Sequence[dict[str, Any]]
Series: TypeAlias = tuple[str, str, int]
"""Kind, tasks of the source, and which of the tickets of both."""

_COLUMNS = ("kind", "sourced_on", "model", "method", "iteration", "target", "n", "density",
            "epochs", "test_accuracy", "low", "high")  # fmt: skip

_SOURCES = ("blue", "vermilion", "green", "purple", "orange", "sky")
_MARKERS = ("o", "s", "^", "D", "v", "P", "X")
_STEP = 0.13  # inches between the points of one task


@styled
def tickets_on_tasks(table: Table) -> Figure:
    """Draw the test accuracy of tickets retrained on, or evaluated on, each task.

    Parameters
    ----------
    table
        What `maskstat.retrain` returns, or `maskstat.prune.retraining.tabulate`; grouped by source,
        so that a point is the mean over seeds.

    Returns
    -------
    Figure
        A panel a network and number of epochs, tasks side by side, a point a kind of ticket: filled
        ones are tickets, hollow ones beside them random tickets that keep as many weights of every
        layer; black is the consensus. Bars are one standard deviation over trainings, half up and
        half down. The legend says what share of the weights each keeps. A cross on the axis is a
        ticket of which no training came to anything.

    Raises
    ------
    InputError
        The table has no rows or other columns.

    Notes
    -----
    Paganini & Forde (2020), Figures 6, 21 (at initialization: 0 epochs) and 22 (tasks that no
    ticket comes from). The paper has one random ticket; here each ticket has its own, since a
    random one with other layer sizes is another thing to compare with.
    """
    rows = drawable_rows(table, _COLUMNS, source="retrain")
    panels: dict[tuple[str, int], list[dict[str, Any]]] = {}
    for row in rows:
        panels.setdefault((row["model"], row["epochs"]), []).append(row)
    series = _series(rows)
    looks = _looks(series)
    targets = list(dict.fromkeys(row["target"] for row in rows))
    several = len(panels) > 1
    (model, epochs) = next(iter(panels))
    over = replicates([row["n"] for row in rows], "training")
    band = "mean ± ½ sd" if any(row["low"] is not None for row in rows) else "mean"
    figure, axes = stacked(
        [_condition(*panel) if several else "" for panel in panels],
        title="Tickets on tasks" if several else f"Tickets on tasks: {_condition(model, epochs)}",
        x_label=f"task that is trained for and tested on\n{band} over {over}",
        y_labels=["test accuracy, %"] * len(panels),
        legend=_legend(series, looks),
        width=max(3.4, 0.75 + len(targets) * (len(series) + 2) * _STEP),
        height=1.7,
    )
    for one, part in zip(axes, panels.values(), strict=True):
        _draw_panel(one, part, targets, list(series), looks)
    axes[0].set_xticks(range(len(targets)), [clip(task_name(t), 18) for t in targets])
    axes[0].set_xlim(-0.5, len(targets) - 0.5)
    return figure


def _condition(model: str, epochs: int) -> str:
    trained = "at initialization" if epochs == 0 else f"{epochs} epoch{'' if epochs == 1 else 's'}"
    return f"{clip(model, 24)}, {trained}" if model else trained


def _series(rows: Rows) -> dict[Series, Rows]:
    """Group the rows by ticket: consensus first, then by source, each before its random one."""
    found: dict[Series, list[dict[str, Any]]] = {}
    for row in rows:
        index = 0
        while any(_same_cell(row, other) for other in found.get(_key(row, index), ())):
            index += 1
        found.setdefault(_key(row, index), []).append(row)
    sources = list(dict.fromkeys(source for _, source, _ in found))

    def place(key: Series) -> tuple[int, int, int]:
        kind, source, index = key
        return sources.index(source), index, int(kind == "random")

    return {key: found[key] for key in sorted(found, key=place)}


def _key(row: Mapping[str, Any], index: int) -> Series:
    return row["kind"], row["sourced_on"], index


def _same_cell(row: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    return all(row[name] == other[name] for name in ("model", "epochs", "target"))


def _looks(series: Mapping[Series, Rows]) -> dict[Series, dict[str, Any]]:
    """Give every source a colour and a marker, hollow for random tickets."""
    consensus = {(source, index) for kind, source, index in series if kind == "consensus"} or {
        (source, index) for kind, source, index in series if "+" in source
    }
    others = list(dict.fromkeys((s, i) for _, s, i in series if (s, i) not in consensus))
    looks: dict[Series, dict[str, Any]] = {}
    for kind, source, index in series:
        if (source, index) in consensus:
            colour, marker = COLOURS["black"], "*"
        else:
            at = others.index((source, index))
            colour = COLOURS[_SOURCES[at % len(_SOURCES)]]
            marker = _MARKERS[at % len(_MARKERS)]
        looks[kind, source, index] = {
            "color": colour,
            "marker": marker,
            "ms": 5 if marker == "*" else 3.6,
            "mfc": "white" if kind == "random" else colour,
            "mew": 0.8,
            "ls": "",
        }
    return looks


def _legend(
    series: Mapping[Series, Rows], looks: Mapping[Series, dict[str, Any]]
) -> dict[str, Artist]:
    labels = {key: _label(key, rows) for key, rows in series.items() if key[0] != "random"}
    times = Counter(labels.values())
    entries: dict[str, Artist] = {}
    for key, label in labels.items():
        if times[label] > 1:
            label += f": {series[key][0]['method']}, iteration {series[key][0]['iteration']}"
        while label in entries:
            label += " "
        entries[label] = Line2D([], [], **looks[key])
    if any(kind == "random" for kind, _, _ in series):
        hollow: dict[str, Any] = {
            "color": COLOURS["grey"],
            "mfc": "white",
            "marker": "o",
            "ms": 3.6,
            "ls": "",
        }
        entries["hollow: random, as many weights a layer"] = Line2D([], [], **hollow)
    return entries


def _label(key: Series, rows: Rows) -> str:
    """Name a ticket by where it comes from and by what it keeps."""
    kind, source, _ = key
    name = "consensus" if kind == "consensus" else f"from {clip(task_name(source), 20)}"
    shares = [row["density"] for row in rows]
    return f"{name}, {percent(sum(shares) / len(shares))} % kept"


def _draw_panel(
    axes: Axes,
    rows: Rows,
    targets: Sequence[str],
    series: Sequence[Series],
    looks: Mapping[Series, dict[str, Any]],
) -> None:
    """Draw one network's tickets."""
    parts = _series(rows)
    width = 1 / (len(series) + 2)
    failed: list[tuple[float, str]] = []
    for at, key in enumerate(series):
        shift = (at - (len(series) - 1) / 2) * width
        for row in parts.get(key, ()):
            x = targets.index(row["target"]) + shift
            if row["test_accuracy"] is None:
                failed.append((x, looks[key]["color"]))
                continue
            mean = 100 * row["test_accuracy"]
            axes.plot([x], [mean], zorder=3, **looks[key])
            if row["low"] is not None:
                axes.plot(
                    [x, x],
                    [100 * row["low"], 100 * row["high"]],
                    color=looks[key]["color"],
                    lw=0.8,
                    zorder=2,
                )
    for border in np.arange(len(targets) - 1) + 0.5:
        axes.axvline(border, color="#BBBBBB", lw=0.5, zorder=0)
    axes.grid(visible=False, axis="x")
    axes.tick_params(axis="x", length=0)
    axes.margins(y=0.08)
    low, high = axes.get_ylim()
    axes.set_ylim(max(low, -4.0), min(high, 104.0))
    for x, colour in failed:
        bottom = axes.get_ylim()[0]
        axes.plot([x], [bottom], marker="x", ms=4, color=colour, clip_on=False, ls="", zorder=4)
