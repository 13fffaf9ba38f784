"""``maskstat plot distance``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from maskstat.cli.figure import Found, figure_command
from maskstat.cli.options import pairs_option, selection_options

if TYPE_CHECKING:
    from maskstat.figures.style import Figure

__all__ = ["command"]


@figure_command("distance")
@selection_options(iteration="all")
@pairs_option
def command(found: Found, *, iteration: str, layers: tuple[str, ...], pairs: str) -> Figure:
    """Jaccard distance of each layer over pruning iterations.

    A panel a layer, then the total: every pair of runs, their mean, and the distance expected of
    masks of the same sizes drawn at random within each layer (Paganini & Forde 2020, Figure 3).

    \b
    Example:
      maskstat plot distance a.h5 b.h5 -o distance.pdf
      maskstat plot distance runs/*.h5 --pairs first --layer 'conv*' -o distance.png
    """
    from maskstat.figures.distance import distance_over_iterations
    from maskstat.stats.compare import compare

    table = compare(*found, iteration=iteration, layers=layers, pairs=pairs)
    return distance_over_iterations(table)
