"""``maskstat plot distance``."""

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


@click.command("distance", context_settings={"default_map": {"iteration": "all"}})
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
    """Jaccard distance of each layer over pruning iterations.

    A panel a layer, then the total: every pair of runs, their mean, and the distance expected of
    masks of the same sizes drawn at random within each layer (Paganini & Forde 2020, Figure 3).

    \b
    Example:
      maskstat plot distance a.h5 b.h5 -o distance.pdf
      maskstat plot distance runs/*.h5 --pairs first --layer 'conv*' -o distance.png
    """
    from maskstat.cli.inputs import load
    from maskstat.figures.distance import distance_over_iterations
    from maskstat.stats.compare import compare

    table = compare(*load(sources, select), iteration=iteration, layers=layers, pairs=pairs)
    save_figure(distance_over_iterations(table), output, overwrite=overwrite)
