"""``maskstat plot accuracy``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import click

from maskstat.cli.figure import Found, figure_command
from maskstat.cli.options import select_option

if TYPE_CHECKING:
    from maskstat.figures.style import Figure

__all__ = ["command"]


@figure_command("accuracy")
@select_option
@click.option(
    "--group-by",
    default="method",
    show_default=True,
    metavar="KEY,...",
    help="A line for all runs with the same model, dataset, method, rewind, seed, replicate or "
    "init_seed.",
)
@click.option("--per-run", is_flag=True, help="Also each run as a thin line.")
@click.option(
    "--x",
    type=click.Choice(["sparsity", "density"]),
    default="sparsity",
    show_default=True,
    help="Over the share of the weights that is pruned, or kept.",
)
@click.option(
    "--scale",
    type=click.Choice(["logit", "linear"]),
    default="logit",
    show_default=True,
    help="Of both axes; logit spreads what is near 0 % and 100 %.",
)
def command(
    found: Found,
    *,
    group_by: str,
    per_run: bool,
    x: Literal["sparsity", "density"],
    scale: Literal["logit", "linear"],
) -> Figure:
    """Test accuracy over sparsity.

    A line a pruning method, or any other group of runs: the mean over its runs, with a band of one
    standard deviation, half up and half down (Paganini & Forde 2020, Figures 2 and 8; Grosse &
    Backes 2020, Figures 1b and 7a).

    \b
    Example:
      maskstat plot accuracy runs/*.h5 -o accuracy.pdf
      maskstat plot accuracy runs/*.h5 --group-by method,rewind --per-run -o accuracy.png
    """
    from maskstat.figures.accuracy import accuracy_over_sparsity
    from maskstat.stats.accuracy import accuracy

    return accuracy_over_sparsity(
        accuracy(*found, group_by=group_by),
        each=accuracy(*found, group_by=None) if per_run else None,
        x=x,
        scale=scale,
    )
