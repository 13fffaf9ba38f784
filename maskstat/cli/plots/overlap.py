"""``maskstat plot overlap``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import click

from maskstat.cli.figure import Found, figure_command
from maskstat.cli.idle import refuse_idle
from maskstat.cli.options import APART, group_by_option, pairs_option, selection_options

if TYPE_CHECKING:
    from maskstat.figures.style import Figure

__all__ = ["command"]


@figure_command("overlap")
@selection_options()
@pairs_option
@group_by_option(APART)
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
def command(
    found: Found,
    *,
    iteration: str,
    layers: tuple[str, ...],
    pairs: str,
    group_by: str | None,
    same: tuple[str, ...],
    side: Literal["both", "within", "across"],
    same_axis: bool,
) -> Figure:
    """Overlap of every two masks beside its exact law by chance.

    A panel a layer, then the total with every layer's size fixed: a dot a pair, at its shared
    weights in per cent of the smaller mask, over the curve of the hypergeometric law, its mean and
    its central 95 % region. --group-by sets pairs within groups and across them apart (Grosse &
    Backes 2020, Figures 2, 3, 8, 10, 13 and 14).

    \b
    Example:
      maskstat plot overlap runs/*.h5 --iteration 4 -o overlap.pdf
      maskstat plot overlap runs/*.h5 --group-by init_seed --side within -o within.pdf
      maskstat plot overlap runs/*.h5 --group-by dataset --side across --same init_seed -o a.pdf
    """
    if group_by is None:
        refuse_idle(["side"], "does nothing without --group-by")
    from maskstat.figures.overlap import overlap_beside_chance
    from maskstat.stats.compare import compare

    table = compare(*found, iteration=iteration, layers=layers, pairs=pairs)
    return overlap_beside_chance(
        table, group_by=group_by, same=same, side=side, same_axis=same_axis
    )
