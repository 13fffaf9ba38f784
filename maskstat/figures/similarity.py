"""Similarity of what pairs of networks compute, within groups against across, by iteration."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, NamedTuple, TypeAlias

import numpy as np
from matplotlib.artist import Artist
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from numpy.typing import NDArray

from maskstat.errors import InputError, UsageError, closest
from maskstat.figures.dots import spread
from maskstat.figures.groups import group_pairs
from maskstat.figures.iterations import iterations_of
from maskstat.figures.labels import count
from maskstat.figures.rows import drawable_rows, value
from maskstat.figures.stack import stacked
from maskstat.figures.style import COLOURS, Axes, Figure, styled
from maskstat.table import Table

__all__ = ["SIMILARITIES", "similarity_over_iterations"]

Rows: TypeAlias = Sequence[dict[str, Any]]
Floats: TypeAlias = NDArray[np.float64]
_Half: TypeAlias = Literal["both", "low", "high"]

SIMILARITIES = {
    "cka": "linear CKA, debiased",
    "cka_biased": "linear CKA, biased",
    "l2": "L2 distance of all outputs",
    "rms": "L2 distance per example (rms)",
    "agreement": "equal predictions, share",
    "kappa": "agreement beyond chance (kappa)",
    "error_kappa": "error consistency (kappa)",
}
"""Columns of `maskstat.outputs` that can be drawn, with their axis."""

_LEAST_FOR_VIOLIN = 12
_HALF, _GAP = 0.36, 0.03
_CHARACTERS = 45


class _Side(NamedTuple):
    """One of the two populations."""

    name: str
    colour: str
    rows: Rows
    side: _Half
    violins: bool


@styled
def similarity_over_iterations(
    table: Table, *, group_by: str | None = None, measures: Sequence[str] = ("cka", "rms")
) -> Figure:
    """Draw how alike the outputs of pairs of networks are, by pruning iteration.

    Parameters
    ----------
    table
        What `outputs` returns for several iterations.
    group_by
        A key of `maskstat.stats.summary.GROUP_KEYS`: pairs whose runs agree in it are on the
        left, others on the right. None draws all pairs alike.
    measures
        Keys of `SIMILARITIES`, a panel each.

    Returns
    -------
    Figure
        Violins from the least to the greatest value, as wide as values are frequent, with a line
        at their mean; dots where there are fewer than twelve pairs. Under each iteration stands
        how many pairs there are. Pairs share runs, so they are no independent draws.

    Raises
    ------
    InputError
        The table has no rows or other columns, compares different iterations, or all values of a
        measure are missing.
    UsageError
        There is no such measure or key, or an input does not have it.

    Notes
    -----
    Grosse & Backes (2020), Figures 6, 9 and 15, where CKA is the biased one.

    Examples
    --------
    >>> from maskstat.table import Column
    >>> row = {"a": "x", "b": "y", "iteration_a": 1, "iteration_b": 1, "n": 9, "cka": 0.5}
    >>> columns = {name: Column("number", "") for name in row}
    >>> table = Table(schema="", columns=columns, data={n: [v] for n, v in row.items()})
    >>> (axes,) = similarity_over_iterations(table, measures=["cka"]).axes
    >>> axes.collections[0].get_offsets().tolist()
    [[1.0, 0.5]]
    """
    for measure in measures:
        if measure not in SIMILARITIES:
            raise UsageError(
                f"there is no similarity '{measure}'",
                code="unknown-measure",
                place="--measure",
                consequence=closest(measure, SIMILARITIES),
            )
    columns = ("a", "b", "iteration_a", "iteration_b", "n", *measures)
    rows = drawable_rows(table, columns, source="outputs")
    iterations = _iterations(rows)
    sides = _sides(table, rows, iterations, group_by)
    figure, axes = stacked(
        [""] * len(measures),
        title=_title(rows),
        x_label=f"pruning iteration\n{_counted(sides)}\n"
        "after Grosse & Backes (2020), Figures 6, 9 and 15",
        y_labels=[SIMILARITIES[measure] for measure in measures],
        legend=_legend(sides),
        height=1.7,
        tick_lines=1 + len(sides),
    )
    for one, measure in zip(axes, measures, strict=True):
        _require_values(rows, measure)
        for side in sides:
            _draw_side(one, side, measure, iterations)
        one.grid(visible=False, axis="x")
    _mark_iterations(axes[-1], sides, iterations)
    return figure


def _iterations(rows: Rows) -> list[int]:
    mixed = [
        row | {"iteration_a": None} for row in rows if row["iteration_a"] != row["iteration_b"]
    ]
    return iterations_of([*rows, *mixed], "iteration_a")


def _sides(
    table: Table, rows: list[dict[str, Any]], iterations: Sequence[int], group_by: str | None
) -> list[_Side]:
    """Split the pairs into within and across."""
    found: Mapping[str, Rows]
    if group_by is None:
        found = {"all": rows}
    else:
        groups = group_pairs(table, rows, group_by=group_by)
        found = {
            name: [row for group in groups if group.within == within for row in group.rows]
            for name, within in (("within", True), ("across", False))
        }
    found = {name: part for name, part in found.items() if part}
    looks: dict[str, tuple[str, _Half]] = {
        "all": ("blue", "both"),
        "within": ("blue", "low"),
        "across": ("grey", "high"),
    }
    return [
        _Side(
            name,
            COLOURS[looks[name][0]],
            part,
            looks[name][1] if len(found) > 1 else "both",
            min(len(_at(part, t)) for t in iterations) >= _LEAST_FOR_VIOLIN,
        )
        for name, part in found.items()
    ]


def _at(rows: Rows, iteration: int) -> Rows:
    return [row for row in rows if row["iteration_a"] == iteration]


def _values(rows: Rows, measure: str) -> Floats:
    values = np.array([value(row, measure) for row in rows], np.float64)
    return np.sort(values[np.isfinite(values)])


def _require_values(rows: Rows, measure: str) -> None:
    if not _values(rows, measure).size:
        raise InputError(
            f"no pair has a value of '{measure}'",
            code="nothing-to-draw",
            consequence="there is nothing to draw",
            hint="error_kappa needs the true classes, CKA at least 4 examples",
        )


def _draw_side(axes: Axes, side: _Side, measure: str, iterations: Sequence[int]) -> None:
    """Draw one population at every iteration."""
    shift = {"low": -_GAP, "both": 0.0, "high": _GAP}[side.side]
    for iteration in iterations:
        values = _values(_at(side.rows, iteration), measure)
        if not values.size:
            continue
        if side.violins and values[0] < values[-1]:
            parts: Any = axes.violinplot(
                [values],
                positions=[iteration + shift],
                widths=2 * _HALF,
                side=side.side,
                showextrema=False,
            )
            for body in parts["bodies"]:
                body.set(facecolor=side.colour, edgecolor=side.colour, alpha=0.45, lw=0.6)
        else:
            middle = iteration + np.sign(shift) * (_HALF / 2 + _GAP)
            x = middle + spread(values.size, 0.8 * _HALF)
            axes.scatter(x, values, s=6, lw=0, alpha=0.75, color=side.colour, zorder=3)
        left, right = (0.0 if side.side == end else _HALF for end in ("high", "low"))
        ends = [iteration + shift - left, iteration + shift + right]
        axes.plot(ends, [values.mean()] * 2, color=side.colour, lw=1.3, zorder=4)


def _counted(sides: Sequence[_Side]) -> str:
    """Say what the lines under each iteration count."""
    if len(sides) == 1:
        return "pairs"
    return "\n".join(f"pairs {side.name}" for side in sides)


def _mark_iterations(axes: Axes, sides: Sequence[_Side], iterations: Sequence[int]) -> None:
    """Write the iteration and how many pairs there are, under as many as there is room for."""
    labels = {
        t: "\n".join([str(t), *(str(len(_at(side.rows, t))) for side in sides)]) for t in iterations
    }
    width = 1 + max(len(line) for label in labels.values() for line in label.split("\n"))
    step = -(-len(iterations) * width // _CHARACTERS)
    ticks = [t for t in iterations if t % step == 0] or iterations[-1:]
    axes.set_xticks(ticks, [labels[t] for t in ticks])
    axes.set_xlim(iterations[0] - 0.5, iterations[-1] + 0.5)


def _title(rows: Rows) -> str:
    pairs = {(row["a"], row["b"]) for row in rows}
    runs = {name for pair in pairs for name in pair}
    n = {row["n"] for row in rows}
    on = f" on {n.pop():,} examples" if len(n) == 1 else ""
    return f"Outputs of {count(len(runs), 'run')}{on}"


def _legend(sides: Sequence[_Side]) -> dict[str, Artist]:
    entries: dict[str, Artist] = {}
    for side in sides:
        name = {"all": "all pairs", "within": "within", "across": "across"}[side.name]
        entries[name] = (
            Patch(facecolor=side.colour, edgecolor=side.colour, alpha=0.45, lw=0.6)
            if side.violins
            else Line2D([], [], ls="", marker="o", ms=2.8, mew=0, color=side.colour)
        )
    entries["mean"] = Line2D([], [], color=COLOURS["black"], lw=1.3)
    return entries
