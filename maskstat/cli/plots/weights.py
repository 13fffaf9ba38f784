"""``maskstat plot weights``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from maskstat.cli.figure import Found, figure_command
from maskstat.cli.options import selection_options, threshold_options

if TYPE_CHECKING:
    from maskstat.figures.style import Figure

__all__ = ["command"]


@figure_command("weights")
@click.option(
    "--spread",
    is_flag=True,
    help="Draw standard deviations by layer instead, averaged over initializations.",
)
@click.option(
    "--bins",
    type=click.IntRange(min=1),
    default=50,
    show_default=True,
    metavar="N",
    help="Bins of each histogram, from the layer's smallest to its largest initial weight.",
)
@threshold_options
@selection_options()
def command(
    found: Found,
    *,
    spread: bool,
    bins: int,
    threshold: str | None,
    at_least_votes: int | None,
    iteration: str,
    layers: tuple[str, ...],
) -> Figure:
    """Histograms of the initial weights that tickets keep.

    A panel a layer: all of its weights, those of each ticket, and those of the consensus ticket
    (Paganini & Forde 2020, Figures 7 and 17 to 19); with --spread their standard deviations
    (Figure 20). The consensus is that of the given tickets, unless an archive of a consensus ticket
    is among them: so one of an early iteration can be set beside bespoke tickets as sparse as it.

    \b
    Example:
      maskstat plot weights tickets/*-s0.h5 -o weights.pdf
      maskstat plot weights consensus.h5 mnist.h5@9 cifar10.h5@9 -o figure7.pdf
      maskstat plot weights tickets/*.h5 --spread -o figure20.pdf
    """
    from maskstat.figures.initial_weights import initial_weight_histograms, initial_weight_spread
    from maskstat.stats.initial import initial

    tables = [
        initial(
            *part,
            iteration=iteration,
            bins=bins,
            threshold=threshold,
            at_least_votes=at_least_votes,
            layers=layers,
        )
        for part in (_by_start(found) if spread else [found])
    ]
    return initial_weight_spread(*tables) if spread else initial_weight_histograms(tables[0])


def _by_start(found: Found) -> list[Found]:
    """Divide runs by their initial weights."""
    from hashlib import sha256

    groups: dict[bytes, Found] = {}
    for run, iteration in found:
        key = sha256(run.weight("initial").tobytes()).digest()
        groups.setdefault(key, []).append((run, iteration))
    return list(groups.values())
