"""``maskstat plot heatmap``."""

from __future__ import annotations

import click

from maskstat.cli.options import (
    iteration_option,
    layer_option,
    overwrite_option,
    pairs_option,
    quiet_option,
    select_option,
    sources_argument,
)
from maskstat.cli.plot import figure_option, save_figure

__all__ = ["command"]


@click.command("heatmap")
@sources_argument
@figure_option
@iteration_option
@layer_option
@select_option
@pairs_option
@overwrite_option
@quiet_option
def command(
    sources: tuple[str, ...],
    output: str,
    iteration: str,
    layers: tuple[str, ...],
    select: str | None,
    pairs: str,
    overwrite: bool,
    quiet: bool,
) -> None:
    """Total Jaccard distance between every two masks.

    A matrix in the order of the files, with the distance expected of masks of the same sizes drawn
    at random within each layer under each number (Paganini & Forde 2020, Figures 4 and 5).

    \b
    Example:
      maskstat plot heatmap runs/*.h5 --iteration 6 -o iteration6.pdf
      maskstat plot heatmap a.h5@3 a.h5@9 b.h5@9 -o some.png
    """
    from maskstat.cli.inputs import load
    from maskstat.figures.heatmap import pairwise_heatmap
    from maskstat.stats.compare import compare

    table = compare(*load(sources, select), iteration=iteration, layers=layers, pairs=pairs)
    save_figure(pairwise_heatmap(table), output, overwrite=overwrite)
