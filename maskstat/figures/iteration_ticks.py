"""Ticks of pruning iterations, each with the share of the weights that is left."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from maskstat.figures.labels import percent_range
from maskstat.figures.panels import PANEL_CHARACTERS
from maskstat.figures.style import Axes

__all__ = ["mark_iterations"]

_STEPS = [base * 10**power for power in range(6) for base in (1, 2, 5)]


def mark_iterations(
    axes: Axes, shares: Mapping[int, Sequence[float]], *, characters: int = PANEL_CHARACTERS
) -> None:
    """Label as many iterations as there is room for, with the share kept under each.

    Parameters
    ----------
    axes
        What is drawn on; its x axis is limited to the iterations.
    shares
        Iteration to the shares of the weights that masks keep there, 0 to 1.
    characters
        How many characters fit under the axis.
    """
    labels = {t: f"{t}\n{percent_range(shares[t])}" for t in sorted(shares)}
    iterations = list(labels)
    fitting = (_fitting(labels, step, characters) for step in _STEPS)
    ticks = next(filter(None, fitting), iterations[-1:])
    axes.set_xticks(ticks, [labels[t] for t in ticks])
    axes.set_xlim(iterations[0] - 0.5, iterations[-1] + 0.5)


def _fitting(labels: Mapping[int, str], step: int, characters: int) -> list[int]:
    """Return the multiples of a step, or nothing if their labels would touch."""
    ticks = [t for t in labels if t % step == 0]
    width = max((len(line) + 1 for t in ticks for line in labels[t].split("\n")), default=0)
    return ticks if len(ticks) * width <= characters else []
