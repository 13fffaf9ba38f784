"""``maskstat plot ranks``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from maskstat.cli.figure import Found, figure_command
from maskstat.cli.options import group_by_option, selection_options

if TYPE_CHECKING:
    from maskstat.figures.style import Figure

__all__ = ["command"]


@figure_command("ranks")
@selection_options()
@group_by_option("Colour a run's dots by its")
def command(
    found: Found, *, iteration: str, layers: tuple[str, ...], group_by: str | None
) -> Figure:
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
    from maskstat.figures.ranks import rank_correlations
    from maskstat.stats.correlate import correlate

    table = correlate(*found, iteration=iteration, layers=layers)
    return rank_correlations(table, group_by=group_by)
