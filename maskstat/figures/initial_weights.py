"""Initial weights of tickets against the whole layer: histograms, and their spread by layer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np
from matplotlib.artist import Artist
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import FuncFormatter, MaxNLocator
from numpy.typing import NDArray

from maskstat.errors import InputError, UsageError
from maskstat.figures.labels import count, percent, short_inputs, short_layers
from maskstat.figures.names import among, replicates, short_names, task_name
from maskstat.figures.panels import panel_grid
from maskstat.figures.rows import by_layer, drawable_rows
from maskstat.figures.stack import stacked
from maskstat.figures.style import COLOURS, Axes, Figure, styled
from maskstat.stats.initial import InitialWeights
from maskstat.table import Table

__all__ = ["initial_weight_histograms", "initial_weight_spread"]

Rows: TypeAlias = Sequence[dict[str, Any]]
Floats: TypeAlias = NDArray[np.float64]

_COLUMNS = ("layer", "weights", "run", "iteration", "n", "share", "sd")
_BINS = ("layer", "weights", "run", "iteration", "low", "high", "count")

_WHOLE = "#E8C66A"
"""Gold, as in the paper, and light enough for lines over it."""

_TICKETS = ("blue", "vermilion", "green", "purple", "orange", "sky")
_DASHES: tuple[Any, ...] = ("-", (0, (3, 1)), (0, (1, 0.8)), (0, (4, 1, 1, 1)))
_MARKERS = ("s", "^", "D", "v", "P", "X", "<", "p", ">", "d")
_MOST_TICKETS = 2 * len(_MARKERS)
"""How many tickets can be told apart: every marker filled, then hollow."""

_ALL = "all weights of the layer"
_LAYER = 0.42  # inches that a layer takes


@styled
def initial_weight_histograms(table: InitialWeights) -> Figure:
    """Draw the initial values of tickets' weights beside those of the whole layer.

    Parameters
    ----------
    table
        What `maskstat.stats.initial.initial` returns.

    Returns
    -------
    Figure
        A panel a layer in network order. Filled: all weights of the layer; lines: those of each
        ticket, each as a share of its own weights, so that shapes can be compared. Beside its name
        stands what share of all weights a ticket keeps. The consensus of the tickets is black;
        where a consensus ticket is itself among the inputs, that one is.

    Raises
    ------
    InputError
        The table has no rows or other columns.
    UsageError
        There are more tickets than a reader can tell apart.

    Notes
    -----
    Paganini & Forde (2020), Figures 7 and 17 to 19. There tickets of similar sparsity are compared:
    a consensus of early iterations with bespoke tickets of a later one.
    """
    rows = drawable_rows(table, _COLUMNS, source="initial")
    bins = drawable_rows(table.histogram, _BINS, source="initial")
    names = _names(table, rows)
    looks = _looks(list(dict.fromkeys(names.values())))
    shares = {names[_key(row)]: row["share"] for row in rows if _key(row) in names}
    layers = {layer: part for layer, part in by_layer(bins).items() if layer != "total"}
    sizes = {row["layer"]: row["n"] for row in rows if row["weights"] == "all"}
    figure, axes = panel_grid(
        {layer: count(sizes[layer], "weight") for layer in layers},
        title=f"Initial weights of tickets{among(_bespoke(table))}",
        x_label="value at initialization",
        y_label="share of the ticket's weights a bin, %",
        legend=_legend(looks, shares, lines=True),
    )
    highest = max(_draw_histogram(one, part, names, looks) for one, part in
                  zip(axes, layers.values(), strict=True))  # fmt: skip
    axes[0].set_ylim(0, 1.05 * highest)
    return figure


@styled
def initial_weight_spread(*tables: Table) -> Figure:
    """Draw the standard deviation of the initial weights of each layer and of tickets in it.

    Parameters
    ----------
    *tables
        What `maskstat.stats.initial.initial` returns, one for each initialization; their tickets
        are matched by the tasks that they were found on.

    Returns
    -------
    Figure
        A point a layer and ticket: the mean over initializations, with a bar of one standard
        deviation, half up and half down. A ticket with fewer than two weights in a layer has none.

    Raises
    ------
    InputError
        A table has no rows or other columns, or other layers than the first; or no layer has two
        weights.
    UsageError
        There are more tickets than a reader can tell apart.

    Notes
    -----
    Paganini & Forde (2020), Figure 20.
    """
    parts = [drawable_rows(table, _COLUMNS, source="initial") for table in tables]
    layers = [name for name in by_layer(parts[0]) if name != "total"]
    found: dict[str, dict[str, list[float]]] = {}
    shares: dict[str, list[float]] = {}
    for table, rows in zip(tables, parts, strict=True):
        if [name for name in by_layer(rows) if name != "total"] != layers:
            raise InputError(
                "networks with other layers",
                code="layout-mismatch",
                place=str(table.inputs[0]["path"]),
                consequence="their layers have no common axis",
            )
        names = _names(table, rows)
        for row in rows:
            name = names.get(_key(row))
            if name is None:
                continue
            if row["layer"] == "total":
                shares.setdefault(name, []).append(row["share"])
            elif row["sd"] is not None:
                found.setdefault(name, {}).setdefault(row["layer"], []).append(row["sd"])
    looks = _looks(list(shares))
    mean_share = {name: sum(values) / len(values) for name, values in shares.items()}
    numbers = [len(values) for part in found.values() for values in part.values()]
    if not numbers:
        raise InputError(
            "no layer has two weights",
            code="nothing-to-draw",
            place=str(tables[0].inputs[0]["path"]),
            consequence="there is no standard deviation to draw",
        )
    band = "mean ± ½ sd over " if max(numbers) > 1 else ""
    labels = short_layers(layers)
    turned = max(map(len, labels)) > max(5, 42 // len(layers))
    figure, (axes,) = stacked(
        [""],
        title=f"Initial weights of tickets{among([r for t in tables for r in _bespoke(t)])}",
        x_label=f"layer\n{band}{replicates(numbers, 'initialization')}",
        y_labels=["sd at initialization"],
        legend=_legend(looks, mean_share, lines=False),
        width=max(3.4, 0.75 + _LAYER * len(layers)),
        tick_lines=-(-max(map(len, labels)) // 2) if turned else 1,
    )
    for at, (name, style) in enumerate(looks.items()):
        shift = 0.6 * (at / (len(looks) - 1) - 0.5) if len(looks) > 1 else 0.0
        _draw_spread(axes, found.get(name, {}), layers, shift, style)
    axes.set_xticks(range(len(layers)), labels, rotation=90 if turned else 0)
    axes.set_xlim(-0.6, len(layers) - 0.4)
    axes.set_ylim(bottom=0)
    axes.grid(visible=False, axis="x")
    for border in np.arange(len(layers) - 1) + 0.5:
        axes.axvline(border, color="#DDDDDD", lw=0.5, zorder=0)
    axes.tick_params(axis="x", length=0)
    return figure


def _key(row: Mapping[str, Any]) -> tuple[Any, ...]:
    return row["weights"], row["run"], row["iteration"]


def _bespoke(table: Table) -> list[Mapping[str, Any]]:
    """Return the inputs that are no consensus tickets, or all if there are no others."""
    return [one for one in table.inputs if one.get("method") != "consensus"] or list(table.inputs)


def _names(table: Table, rows: Rows) -> dict[tuple[Any, ...], str]:
    """Name every selection of weights; those that are not drawn have no name."""
    records = {str(record["path"]): record for record in table.inputs}
    paths = list(records)
    short = dict(zip(paths, short_inputs(paths), strict=True))
    tasks = [task_name(str(record.get("dataset") or "")) for record in _bespoke(table)]
    by_task = all(tasks) and len(set(tasks)) == len(tasks)
    given = any(record.get("method") == "consensus" for record in table.inputs)
    names: dict[tuple[Any, ...], str] = {}
    for row in rows:
        if row["weights"] == "all":
            names[_key(row)] = _ALL
        elif row["weights"] == "consensus":
            if not given and len(table.inputs) > 1:
                names[_key(row)] = "consensus"
        elif records[row["run"]].get("method") == "consensus":
            names[_key(row)] = "consensus"
        else:
            task = task_name(str(records[row["run"]].get("dataset") or ""))
            names[_key(row)] = f"from {task}" if by_task else short[row["run"]]
    return names


def _looks(names: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Give the consensus black, others a look each; the consensus is drawn last."""
    looks: dict[str, dict[str, Any]] = {}
    others = [name for name in names if name not in (_ALL, "consensus")]
    if len(others) > _MOST_TICKETS:
        raise UsageError(
            f"{len(others)} tickets in one figure",
            code="too-many-lines",
            consequence=f"a reader can tell {_MOST_TICKETS} apart at most",
            hint="choose runs with --select",
        )
    if _ALL in names:
        looks[_ALL] = {"color": _WHOLE, "marker": "o"}
    for at, name in enumerate(others):
        looks[name] = {
            "color": COLOURS[_TICKETS[at % len(_TICKETS)]],
            "ls": _DASHES[(at // len(_TICKETS) + at) % len(_DASHES)],
            "marker": _MARKERS[at % len(_MARKERS)],
            "hollow": at >= len(_MARKERS),
        }
    if "consensus" in names:
        looks["consensus"] = {"color": COLOURS["black"], "ls": "-", "marker": "*"}
    return looks


def _point(style: Mapping[str, Any]) -> dict[str, Any]:
    """Return how a ticket's point looks."""
    hollow = bool(style.get("hollow"))
    return {
        "color": style["color"],
        "marker": style["marker"],
        "ms": 5 if style["marker"] == "*" else 3.2 if hollow else 3.6,
        "mfc": "white" if hollow else style["color"],
        "mew": 0.8 if hollow else 0,
        "ls": "",
    }


def _legend(
    looks: Mapping[str, dict[str, Any]], shares: Mapping[str, float], *, lines: bool
) -> dict[str, Artist]:
    entries: dict[str, Artist] = {}
    for short, (name, style) in zip(short_names(list(looks), 30), looks.items(), strict=True):
        label = name if name == _ALL else f"{short}, {percent(shares[name])} % kept"
        if not lines:
            entries[label] = Line2D([], [], **_point(style))
        elif name == _ALL:
            entries[label] = Patch(color=style["color"])
        else:
            entries[label] = Line2D([], [], color=style["color"], ls=style["ls"], lw=1)
    return entries


def _draw_histogram(
    axes: Axes,
    bins: Rows,
    names: Mapping[tuple[Any, ...], str],
    looks: Mapping[str, dict[str, Any]],
) -> float:
    """Draw one panel; return its highest bar."""
    parts: dict[str, list[dict[str, Any]]] = {}
    for one in bins:
        name = names.get(_key(one))
        if name is not None:
            parts.setdefault(name, []).append(one)
    highest = 0.0
    for name, style in looks.items():
        part = parts.get(name, [])
        counts = np.array([one["count"] for one in part], np.float64)
        if not counts.sum():
            continue
        heights = 100 * counts / counts.sum()
        edges = np.array([*(one["low"] for one in part), part[-1]["high"]])
        if name == _ALL:
            axes.stairs(heights, edges, fill=True, color=style["color"], lw=0)
        else:
            axes.stairs(heights, edges, color=style["color"], ls=style["ls"], lw=0.9)
        highest = max(highest, float(heights.max()))
    axes.xaxis.set_major_locator(MaxNLocator(3, symmetric=True))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda number, _: f"{number:.3g}"))
    axes.grid(visible=False, axis="x")
    return highest


def _draw_spread(
    axes: Axes,
    by_name: Mapping[str, Sequence[float]],
    layers: Sequence[str],
    shift: float,
    style: Mapping[str, Any],
) -> None:
    """Draw the points of one selection, side by side with the others."""
    for x, layer in enumerate(layers):
        values = np.array(by_name.get(layer, ()))
        if not values.size:
            continue
        mean = values.mean()
        axes.plot([x + shift], [mean], **_point(style))
        if values.size > 1:
            half = values.std(ddof=1) / 2
            ends = [mean - half, mean + half]
            axes.plot([x + shift] * 2, ends, color=style["color"], lw=0.8)
