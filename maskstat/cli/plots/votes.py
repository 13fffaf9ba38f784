"""``maskstat plot votes``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from maskstat.cli.figure import Found, figure_command
from maskstat.cli.options import selection_options, threshold_options

if TYPE_CHECKING:
    from maskstat.figures.style import Figure

__all__ = ["command"]


@figure_command("votes")
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
    """In how many of the masks the weights of each layer are kept.

    A panel a layer, then the total: weights by number of votes, those in the consensus ticket dark,
    beside the exact expectation and two standard deviations for masks of the same sizes drawn at
    random within each layer (after Paganini & Forde 2020, Figures 12 to 16).

    \b
    Example:
      maskstat plot votes tickets/*.h5 -o votes.pdf
      maskstat plot votes tickets/*.h5 --at-least 3 -o votes.png
    """
    from maskstat.figures.votes import consensus_histogram
    from maskstat.stats.consensus import consensus

    result = consensus(
        *found,
        threshold=threshold,
        at_least_votes=at_least_votes,
        iteration=iteration,
        layers=layers,
    )
    return consensus_histogram(result)
