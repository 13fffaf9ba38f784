"""``maskstat plot composition``."""

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


@click.command("composition")
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
    """Composition of the consensus ticket, layer by layer.

    A bar a layer: what all of the masks keep, some of them, and none, in per cent and in weights,
    with what would be in the ticket if each mask kept as many weights of the layer at random
    (Paganini & Forde 2020, Figures 13 to 16).

    \b
    Example:
      maskstat plot composition tickets/*.h5 --iteration 2 -o composition.pdf
      maskstat plot composition tickets/*.h5 --threshold 0.6 -o composition.png
    """
    from maskstat.cli.inputs import load
    from maskstat.figures.composition import ticket_composition
    from maskstat.stats.consensus import consensus

    result = consensus(
        *load(sources, select),
        threshold=threshold,
        at_least_votes=at_least_votes,
        iteration=iteration,
        layers=layers,
    )
    save_figure(ticket_composition(result), output, overwrite=overwrite)
