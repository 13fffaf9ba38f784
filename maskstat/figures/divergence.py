"""Divergence: how alike tickets are, by the epoch until which their runs share randomness."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
from matplotlib.artist import Artist
from matplotlib.lines import Line2D

from maskstat.figures.labels import percent
from maskstat.figures.lines import handle, looks
from maskstat.figures.names import replicates
from maskstat.figures.rows import drawable_rows, value
from maskstat.figures.stack import stacked
from maskstat.figures.style import COLOURS, Figure, styled
from maskstat.table import Table

__all__ = ["overlap_by_divergence"]

Rows: TypeAlias = Sequence[dict[str, Any]]

_COLUMNS = ("diverge_at", "epochs", "iteration", "density", "pairs", "jaccard", "expected_jaccard")
_CHANCE: dict[str, Any] = {"lw": 0.9, "ls": (0, (1, 1.5)), "marker": "", "zorder": 1.5}


@styled
def overlap_by_divergence(table: Table) -> Figure:
    """Draw the overlap of runs of one initialization over the epoch where they part.

    Parameters
    ----------
    table
        A row an epoch (``diverge_at`` of ``epochs``) and pruning iteration: the mean total Jaccard
        index over pairs, and by chance.

    Returns
    -------
    Figure
        A line a pruning iteration; dotted, in the same colour, chance with each layer's sizes
        fixed. At the last epoch nothing differs, and masks are the same.

    Raises
    ------
    InputError
        The table has no rows or other columns.
    UsageError
        There are more lines than a reader can tell apart.

    Notes
    -----
    Goes beyond Grosse & Backes (2020), section 3.4, which has two points: not fixed, and partially
    fixed.

    Examples
    --------
    >>> from maskstat.table import Column
    >>> row = {"diverge_at": 0, "epochs": 15, "iteration": 1, "density": 0.5, "pairs": 3,
    ...        "jaccard": 0.6, "expected_jaccard": 0.3}
    >>> columns = {name: Column("number", "") for name in row}
    >>> table = Table(schema="", columns=columns, data={n: [v] for n, v in row.items()})
    >>> overlap_by_divergence(table).axes[0].get_lines()[0].get_ydata().tolist()
    [0.6]
    """
    rows = drawable_rows(table, _COLUMNS, source="divergence")
    iterations = sorted({row["iteration"] for row in rows})
    styles = dict(zip(iterations, looks([str(t) for t in iterations]).values(), strict=True))
    lines: dict[int, Rows] = {
        t: sorted((r for r in rows if r["iteration"] == t), key=lambda r: r["diverge_at"])
        for t in iterations
    }
    legend: dict[str, Artist] = {
        f"iteration {t}, {percent(lines[t][0]['density'])} % kept": handle(styles[t])
        for t in iterations
    }
    legend["by chance at the same sizes"] = Line2D([], [], color=COLOURS["grey"], **_CHANCE)
    epochs = rows[0]["epochs"]
    figure, (axes,) = stacked(
        [""],
        title="Overlap by the epoch where runs part",
        x_label=f"epochs of {epochs} with the same order of the data\n"
        f"mean over {replicates([row['pairs'] for row in rows], 'pair')} of one initialization",
        y_labels=["total Jaccard index"],
        legend=legend,
    )
    for t, group in lines.items():
        at = np.array([row["diverge_at"] for row in group])
        observed, chance = (
            np.array([value(row, name) for row in group])
            for name in ("jaccard", "expected_jaccard")
        )
        axes.plot(at, observed, clip_on=False, **styles[t])
        axes.plot(at, chance, **{**styles[t], **_CHANCE})
    axes.set_xticks(sorted({row["diverge_at"] for row in rows}))
    axes.set_ylim(0, 1.02)
    return figure
