"""Axes of pruning iterations, each with the share of the weights kept."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from maskstat.errors import InputError
from maskstat.figures.labels import percent_range
from maskstat.figures.panels import PANEL_CHARACTERS
from maskstat.figures.style import Axes

__all__ = ["iterations_of", "kept_below", "mark_iterations"]

_STEPS = [base * 10**power for power in range(6) for base in (1, 2, 5)]


def iterations_of(rows: Sequence[Mapping[str, Any]], name: str = "iteration") -> list[int]:
    """Return the iterations of rows, ascending.

    Raises
    ------
    InputError
        A row has none: masks of different iterations were compared.
    """
    found = {row[name] for row in rows}
    if None in found:
        raise InputError(
            "masks of different iterations, or of none, are taken together",
            code="no-common-iteration",
            consequence="a figure over iterations needs the same iteration of all",
            hint="give runs, not single masks, and --iteration all",
        )
    return sorted(found)


def mark_iterations(
    axes: Axes,
    iterations: Sequence[int],
    below: Mapping[int, str] | None = None,
    *,
    characters: int = PANEL_CHARACTERS,
) -> None:
    """Label as many iterations as there is room for, each with a line under it.

    Parameters
    ----------
    axes
        Axes over iterations.
    iterations
        Those that are drawn, ascending.
    below
        What to write under each.
    characters
        How many fit side by side.
    """
    labels = {t: f"{t}\n{below[t]}" if below else str(t) for t in iterations}
    for step in _STEPS:
        ticks = [t for t in iterations if t % step == 0]
        width = max((len(line) + 1 for t in ticks for line in labels[t].split("\n")), default=0)
        if ticks and len(ticks) * width <= characters:
            break
    else:
        ticks = list(iterations[-1:])
    axes.set_xticks(ticks, [labels[t] for t in ticks])
    axes.set_xlim(iterations[0] - 0.5, iterations[-1] + 0.5)


def kept_below(rows: Sequence[Mapping[str, Any]], share: str) -> dict[int, str]:
    """Write what share of the weights is kept at each iteration, in per cent."""
    shares: dict[int, list[float]] = {}
    for row in rows:
        shares.setdefault(row["iteration"], []).append(row[share])
    return {iteration: percent_range(found) for iteration, found in shares.items()}
