"""``maskstat weights``."""

from __future__ import annotations

import click

from maskstat.cli.inputs import load
from maskstat.cli.options import selection_options, sources_argument, threshold_options
from maskstat.cli.rows import Rows, row_options
from maskstat.stats.initial import initial

__all__ = ["command"]


@click.command("weights")
@sources_argument
@threshold_options
@selection_options()
@click.option("--histogram", is_flag=True, help="Print the bins instead: one row a bin.")
@click.option(
    "--bins",
    type=click.IntRange(min=1),
    default=100,
    show_default=True,
    metavar="N",
    help="Bins of --histogram, of equal width over the layer's range.",
)
@row_options()
def command(
    sources: tuple[str, ...],
    threshold: str | None,
    at_least_votes: int | None,
    iteration: str,
    layers: tuple[str, ...],
    select: str | None,
    histogram: bool,
    bins: int,
    rows: Rows,
) -> None:
    """Describe the initial weights of tickets and of their consensus.

    One row a layer and selection: all weights, those of each ticket, and those of the consensus
    ticket, with the standard deviation of their initial values (after Paganini & Forde 2020,
    Figures 7 and 17 to 20). The runs have to share their initial weights.

    \b
    Example:
      maskstat weights tickets/*.h5
      maskstat weights tickets/*.h5 --threshold 0.6 --layer 'conv*'
      maskstat weights tickets/*.h5 --histogram --bins 50 --format csv > bins.csv
    """
    described = initial(
        *load(sources, select),
        iteration=iteration,
        bins=bins,
        threshold=threshold,
        at_least_votes=at_least_votes,
        layers=layers,
    )
    rows.emit(described.histogram if histogram else described)
