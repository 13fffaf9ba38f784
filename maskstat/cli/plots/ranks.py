"""``maskstat plot ranks``."""

from __future__ import annotations

import click

from maskstat.cli.options import (
    group_by_option,
    iteration_option,
    layer_option,
    overwrite_option,
    quiet_option,
    select_option,
    sources_argument,
)
from maskstat.cli.plot import figure_option, save_figure

__all__ = ["command"]


@click.command("ranks")
@sources_argument
@figure_option
@iteration_option
@layer_option
@select_option
@group_by_option
@overwrite_option
@quiet_option
def command(
    sources: tuple[str, ...],
    output: str,
    iteration: str,
    layers: tuple[str, ...],
    select: str | None,
    group_by: str | None,
    overwrite: bool,
    quiet: bool,
) -> None:
    """Rank correlation of initial and final weights, beside its controls.

    A panel a layer, then the total: a dot a run, coloured by --group-by, for the ticket trained in
    its mask, for the same weights in the dense network, and for the whole layer there: what
    selection does alone (Grosse & Backes 2020, Figures 5 and 12). The controls need maskstat
    prune --save-weights all.

    \b
    Example:
      maskstat plot ranks runs/*.h5 -o ranks.pdf
      maskstat plot ranks runs/*.h5 --iteration 4 --group-by init_seed -o ranks.png
    """
    from maskstat.cli.inputs import load
    from maskstat.figures.ranks import rank_correlations
    from maskstat.stats.correlate import correlate

    table = correlate(*load(sources, select), iteration=iteration, layers=layers)
    save_figure(rank_correlations(table, group_by=group_by), output, overwrite=overwrite)
