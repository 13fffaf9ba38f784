"""Overlap of every two masks in per cent of the mask, beside its exact law by chance."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, Literal, TypeAlias

import numpy as np
from matplotlib.artist import Artist
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from numpy.typing import NDArray

from maskstat.errors import InputError
from maskstat.figures.dots import spread
from maskstat.figures.expected_curve import Curve, Sizes, expected_curve
from maskstat.figures.groups import SHADES, Group, group_pairs
from maskstat.figures.labels import count, percent_range
from maskstat.figures.panels import panel_grid
from maskstat.figures.rows import by_layer, drawable_rows
from maskstat.figures.style import COLOURS, Axes, Figure, styled
from maskstat.table import Table

__all__ = ["Side", "overlap_beside_chance"]

Rows: TypeAlias = Sequence[Mapping[str, Any]]
Side: TypeAlias = Literal["both", "within", "across"]

_COLUMNS = ("a", "b", "iteration_a", "iteration_b", "layer", "null", "size", "kept_a", "kept_b",
            "shared", "expected_shared", "low95", "high95")  # fmt: skip

_EXACT = ("layer", "stratified")
_CURVE: dict[str, Any] = {"color": COLOURS["grey"], "lw": 0.9}
_EXPECTED: dict[str, Any] = {"color": COLOURS["black"], "lw": 0.9, "ls": (0, (3, 2))}
_BAND: dict[str, Any] = {"color": "#DCDCDC", "lw": 0}
_NAMED_GROUPS = 10
_LEAST_DOTS_WIDTH = 0.8


@styled
def overlap_beside_chance(
    table: Table,
    *,
    group_by: str | None = None,
    same: Sequence[str] = (),
    side: Side = "both",
    same_axis: bool = False,
) -> Figure:
    """Draw the overlap of every pair of masks, layer by layer, over its law by chance.

    Parameters
    ----------
    table
        What `compare` returns for one iteration of each input.
    group_by
        A key of `maskstat.stats.summary.GROUP_KEYS`: pairs whose runs agree in it have a row a
        value, others a row of their own. None draws all pairs alike.
    same
        Only pairs that agree in all of these keys.
    side
        Only the pairs ``within`` a group or ``across`` groups, or ``both``.
    same_axis
        Whether all panels have the same axis; else each shows its own law best.

    Returns
    -------
    Figure
        A panel a layer in network order, then the total. A dot is a pair, at its shared weights in
        per cent of the smaller mask; its height tells its group and nothing else. The curve is the
        exact law of the overlap of masks of these sizes, layers independent for the total, with
        its mean and the central 95 % region; where sizes differ, their average over the pairs.

    Raises
    ------
    InputError
        The table has no rows or other columns, several iterations of an input, or no such pair.
    UsageError
        There is no such key, or an input does not have it.

    Notes
    -----
    Grosse & Backes (2020), Figures 2, 3, 8, 10, 13 and 14. The paper draws no totals. Rows under
    another null than the uniform one, such as whole channels, have a mean and a region, no curve.

    Examples
    --------
    >>> from maskstat.mask import Mask
    >>> from maskstat.stats.compare import compare
    >>> masks = [Mask.from_arrays({"fc": bits}) for bits in ([1, 1, 0, 0], [0, 1, 1, 0])]
    >>> figure = overlap_beside_chance(compare(*masks))
    >>> figure.axes[0].collections[-1].get_offsets()[0, 0].item()
    50.0
    """
    rows = drawable_rows(table, _COLUMNS, source="compare")
    _require_one_mask_an_input(rows)
    groups = group_pairs(table, rows, group_by=group_by, same=same)
    groups = [g for g in groups if side == "both" or g.within == (side == "within")]
    if not groups:
        raise InputError(
            f"there are no pairs {side} groups of {group_by or 'all runs'}",
            code="nothing-to-draw",
            consequence="there is nothing to draw",
            hint="--group-by, or both sides",
        )
    layers_of = _sizes_of_pairs(rows)
    panels = by_layer([row for group in groups for row in group.rows])
    curves = {name: _curve(panel, layers_of) for name, panel in panels.items()}
    figure, axes = panel_grid(
        {layer: _kept(panel) for layer, panel in panels.items()},
        title=_title(groups),
        x_label="weights that both masks keep, % of the smaller one\n"
        "after Grosse & Backes (2020), Figures 2, 3, 8, 10, 13, 14",
        y_label="pairs" if len(groups) == 1 else "pairs, a row a group",
        legend=_legend(groups, curves.values()),
    )
    for one, (layer, panel) in zip(axes, panels.items(), strict=True):
        _draw_chance(one, panel, curves[layer], len(groups))
        for row, group in enumerate(groups):
            _draw_group(one, [r for r in group.rows if r["layer"] == layer], row, group.colour)
        _mark_ends(one, panel, curves[layer])
    axes[0].set_ylim(-0.6, len(groups) - 0.4)
    axes[0].set_yticks([])
    axes[0].invert_yaxis()
    if same_axis:
        ends = [one.get_xlim() for one in axes]
        for one in axes:
            one.set_xlim(min(low for low, _ in ends), max(high for _, high in ends))
    return figure


def _require_one_mask_an_input(rows: Rows) -> None:
    for (a, b, _), times in Counter((row["a"], row["b"], row["layer"]) for row in rows).items():
        if times > 1:
            raise InputError(
                f"{times} iterations are selected",
                code="several-iterations",
                place=f"{a}, {b}",
                consequence="this figure shows one mask of each input",
                hint="--iteration last",
            )


def _sizes_of_pairs(rows: Rows) -> dict[tuple[str, str], Sizes]:
    """Return the sizes of all layers of every pair."""
    found: dict[tuple[str, str], list[tuple[int, int, int]]] = {}
    for row in rows:
        if row["layer"] != "total":
            found.setdefault((row["a"], row["b"]), []).append(_sizes(row))
    return {pair: tuple(sizes) for pair, sizes in found.items()}


def _sizes(row: Mapping[str, Any]) -> tuple[int, int, int]:
    return row["size"], row["kept_a"], row["kept_b"]


def _curve(rows: Rows, layers_of: Mapping[tuple[str, str], Sizes]) -> Curve | None:
    """Return the exact law, if all rows of a panel are under the uniform null."""
    if any(row["null"] not in _EXACT for row in rows):
        return None
    if rows[0]["layer"] == "total":
        return expected_curve([layers_of[row["a"], row["b"]] for row in rows])
    return expected_curve([(_sizes(row),) for row in rows])


def _percent(rows: Rows, name: str) -> NDArray[np.float64]:
    """Return a count as per cent of the smaller mask, NaN where that is empty."""
    values = [np.nan if row[name] is None else row[name] for row in rows]
    smaller = np.array([min(row["kept_a"], row["kept_b"]) for row in rows], np.float64)
    return 100 * np.array(values, np.float64) / np.where(smaller > 0, smaller, np.nan)


def _mean(values: NDArray[np.float64]) -> float | None:
    known = values[np.isfinite(values)]
    return float(known.mean()) if known.size else None


def _draw_chance(axes: Axes, rows: Rows, curve: Curve | None, n_groups: int) -> None:
    """Draw the region, the curve from the bottom of the panel, and the mean."""
    low, high, mean = (_mean(_percent(rows, n)) for n in ("low95", "high95", "expected_shared"))
    if low is not None and high is not None:
        axes.axvspan(low, high, zorder=0, **_BAND)
    if curve is not None:
        # The lowest row's middle lies at n - 1; rows are counted downwards.
        heights = n_groups - 0.4 - 0.9 * n_groups * curve.density / curve.density.max()
        few: dict[str, Any] = {"marker": ".", "ms": 3} if curve.percent.size < 16 else {}
        axes.plot(curve.percent, heights, zorder=1.5, **_CURVE, **few)
    if mean is not None:
        axes.axvline(mean, zorder=1.6, **_EXPECTED)


def _draw_group(axes: Axes, rows: Rows, row: int, colour: str) -> None:
    """Draw a group's pairs as a row of dots."""
    percent = np.sort(_percent(rows, "shared"))
    percent = percent[np.isfinite(percent)]
    axes.scatter(
        percent, row + spread(percent.size, 0.7), s=5, color=colour, lw=0, alpha=0.75, zorder=3
    )


def _mark_ends(axes: Axes, rows: Rows, curve: Curve | None) -> None:
    """Show every dot and the middle of the law, and no overlap that cannot be."""
    seen = [_percent(rows, name) for name in ("shared", "low95", "high95", "expected_shared")]
    values = np.concatenate(seen)
    if curve is not None:
        values = np.append(values, curve.percent[curve.density > 0.01 * curve.density.max()])
    values = values[np.isfinite(values)]
    low, high = (float(values.min()), float(values.max())) if values.size else (0.0, 100.0)
    room = max(0.06 * (high - low), _LEAST_DOTS_WIDTH - (high - low) / 2, 0.1)
    axes.set_xlim(max(low - room, -4), min(high + room, 104))
    axes.grid(visible=False, axis="y")


def _kept(rows: Rows) -> str:
    """Say what share of a layer the masks keep."""
    shares = [row[f"kept_{side}"] / row["size"] for row in rows for side in "ab"]
    return f"{percent_range(shares)} % of {rows[0]['size']:,} kept"


def _title(groups: Sequence[Group]) -> str:
    rows = [row for group in groups for row in group.rows]
    pairs = {(row["a"], row["b"]) for row in rows}
    runs = {name for pair in pairs for name in pair}
    iterations = {row[f"iteration_{side}"] for row in rows for side in "ab"}
    at = f", iteration {iterations.pop()}" if len(iterations) == 1 - (None in iterations) else ""
    return f"Overlap: {count(len(pairs), 'pair')} of {count(len(runs), 'run')}{at}"


def _legend(groups: Sequence[Group], curves: Any) -> dict[str, Artist]:
    entries: dict[str, Artist] = {}
    if len(groups) <= _NAMED_GROUPS:
        for group in groups:
            entries[_named(group)] = _dot(group.colour)
    else:
        within = [group for group in groups if group.within]
        across = [group for group in groups if not group.within]
        if within:
            entries[f"within one of {len(within)} groups, a row each"] = _dot(SHADES[0])
        for group in across[:1]:
            entries["across groups"] = _dot(group.colour)
    if any(curve is not None for curve in curves):
        entries["exact law by chance"] = Line2D([], [], **_CURVE)
    entries["mean by chance"] = Line2D([], [], **_EXPECTED)
    entries["central 95 % by chance"] = Patch(**_BAND)
    return entries


def _named(group: Group) -> str:
    pairs = {(row["a"], row["b"]) for row in group.rows}
    return f"{group.name}: {count(len(pairs), 'pair')}"


def _dot(colour: str) -> Line2D:
    return Line2D([], [], ls="", marker="o", ms=2.6, mew=0, color=colour)
