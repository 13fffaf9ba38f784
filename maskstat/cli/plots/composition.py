"""``maskstat plot composition``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from maskstat.cli.figure import Found, figure_command
from maskstat.cli.options import selection_options, threshold_options

if TYPE_CHECKING:
    from maskstat.figures.style import Figure

__all__ = ["command"]


@figure_command("composition")
@threshold_options
@selection_options()
def command(
    found: Found,
    *,
    threshold: str | None,
    at_least_votes: int | None,
    iteration: str,
    layers: tuple[str, ...],
) -> Figure:
    """Composition of the consensus ticket, layer by layer.

    A bar a layer: what all of the masks keep, some of them, and none, in per cent and in weights,
    with what would be in the ticket if each mask kept as many weights of the layer at random
    (Paganini & Forde 2020, Figures 13 to 16).

    \b
    Example:
      maskstat plot composition tickets/*.h5 --iteration 2 -o composition.pdf
      maskstat plot composition tickets/*.h5 --threshold 0.6 -o composition.png
    """
    from maskstat.figures.composition import ticket_composition
    from maskstat.stats.consensus import consensus

    result = consensus(
        *found,
        threshold=threshold,
        at_least_votes=at_least_votes,
        iteration=iteration,
        layers=layers,
    )
    return ticket_composition(result)
