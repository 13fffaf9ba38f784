"""``maskstat plot votes``."""

from __future__ import annotations

import click

from maskstat.cli.options import (
    at_least_option,
    iteration_option,
    layer_option,
    overwrite_option,
    quiet_option,
    select_option,
    sources_argument,
    threshold_option,
)
from maskstat.cli.plot import figure_option, save_figure

__all__ = ["command"]


@click.command("votes")
@sources_argument
@figure_option
@threshold_option
@at_least_option
@iteration_option
@layer_option
@select_option
@overwrite_option
@quiet_option
def command(
    sources: tuple[str, ...],
    output: str,
    threshold: str | None,
    at_least_votes: int | None,
    iteration: str,
    layers: tuple[str, ...],
    select: str | None,
    overwrite: bool,
    quiet: bool,
) -> None:
    """In how many of the masks the weights of each layer are kept.

    A panel a layer, then the total: weights by number of votes, those in the consensus ticket dark,
    beside the exact expectation and two standard deviations for masks of the same sizes drawn at
    random within each layer (after Paganini & Forde 2020, Figures 12 to 16).

    \b
    Example:
      maskstat plot votes tickets/*.h5 -o votes.pdf
      maskstat plot votes tickets/*.h5 --at-least 3 -o votes.png
    """
    from maskstat.cli.inputs import load
    from maskstat.figures.votes import consensus_histogram
    from maskstat.stats.consensus import consensus

    result = consensus(
        *load(sources, select),
        threshold=threshold,
        at_least_votes=at_least_votes,
        iteration=iteration,
        layers=layers,
    )
    save_figure(consensus_histogram(result), output, overwrite=overwrite)
