"""``maskstat plot heatmap``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from maskstat.cli.figure import Found, figure_command
from maskstat.cli.options import pairs_option, selection_options

if TYPE_CHECKING:
    from maskstat.figures.style import Figure

__all__ = ["command"]


@figure_command("heatmap")
@selection_options()
@pairs_option
def command(found: Found, *, iteration: str, layers: tuple[str, ...], pairs: str) -> Figure:
    """Total Jaccard distance between every two masks.

    A matrix in the order of the files, with the distance expected of masks of the same sizes drawn
    at random within each layer under each number (Paganini & Forde 2020, Figures 4 and 5).

    \b
    Example:
      maskstat plot heatmap runs/*.h5 --iteration 6 -o iteration6.pdf
      maskstat plot heatmap a.h5@3 a.h5@9 b.h5@9 -o some.png
    """
    from maskstat.figures.heatmap import pairwise_heatmap
    from maskstat.stats.compare import compare

    table = compare(*found, iteration=iteration, layers=layers, pairs=pairs)
    return pairwise_heatmap(table)
