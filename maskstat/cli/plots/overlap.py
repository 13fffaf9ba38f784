"""``maskstat plot overlap``."""

from __future__ import annotations

from typing import Literal

import click

from maskstat.cli.options import (
    group_by_option,
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


@click.command("overlap")
@sources_argument
@figure_option
@iteration_option
@layer_option
@select_option
@pairs_option
@group_by_option
@click.option(
    "--same",
    multiple=True,
    metavar="KEY",
    help="Only pairs of runs that agree in this key too, e.g. init_seed. Repeatable.",
)
@click.option(
    "--side",
    type=click.Choice(["both", "within", "across"]),
    default="both",
    show_default=True,
    help="Which pairs of --group-by are drawn.",
)
@click.option("--same-axis", is_flag=True, help="One axis for all layers, not one each.")
@overwrite_option
@quiet_option
def command(
    sources: tuple[str, ...],
    output: str,
    iteration: str,
    layers: tuple[str, ...],
    select: str | None,
    pairs: str,
    group_by: str | None,
    same: tuple[str, ...],
    side: Literal["both", "within", "across"],
    same_axis: bool,
    overwrite: bool,
    quiet: bool,
) -> None:
    """Overlap of every two masks beside its exact law by chance.

    A panel a layer, then the total with every layer's size fixed: a dot a pair, at its shared
    weights in per cent of the smaller mask, over the curve of the hypergeometric law, its mean and
    its central 95 % region. --group-by sets pairs within groups and across them apart (Grosse &
    Backes 2020, Figures 2, 3, 8, 10, 13 and 14).

    \b
    Example:
      maskstat plot overlap runs/*.h5 --iteration 4 -o overlap.pdf
      maskstat plot overlap runs/*.h5 --group-by init_seed --side within -o within.pdf
      maskstat plot overlap mnist/*.h5 fashion/*.h5 --group-by dataset --side across \\
        --same init_seed -o tasks.pdf
    """
    from maskstat.cli.inputs import load
    from maskstat.figures.overlap import overlap_beside_chance
    from maskstat.stats.compare import compare

    table = compare(*load(sources, select), iteration=iteration, layers=layers, pairs=pairs)
    figure = overlap_beside_chance(
        table, group_by=group_by, same=same, side=side, same_axis=same_axis
    )
    save_figure(figure, output, overwrite=overwrite)
