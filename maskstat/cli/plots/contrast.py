"""``maskstat plot contrast``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from maskstat.cli.figure import Found, figure_command
from maskstat.cli.options import selection_options

if TYPE_CHECKING:
    from maskstat.figures.style import Figure

__all__ = ["command"]


@figure_command("contrast")
@click.option(
    "--differ",
    type=click.Choice(["rewind", "method", "dataset"]),
    default="rewind",
    show_default=True,
    help="In what the two runs of a pair differ.",
)
@click.option(
    "--baseline", metavar="VALUE", help="Only pairs with this method, data set or rewinding."
)
@selection_options(iteration="all")
def command(
    found: Found, *, differ: str, baseline: str | None, iteration: str, layers: tuple[str, ...]
) -> Figure:
    """Jaccard distance between runs that differ in one setting alone.

    Runs are paired where everything but that setting is the same, seeds included: rewound with
    finetuned ones, one pruning method with another, or one task with another. A panel a layer, then
    the total: the mean over seeds, a band of one standard deviation, half up and half down, and the
    distance expected by chance (Paganini & Forde 2020, Figures 3, 9 and 10).

    \b
    Example:
      maskstat plot contrast runs/*.h5 --differ rewind -o figure9.pdf
      maskstat plot contrast runs/*.h5 --differ method --baseline l2-structured -o figure3.pdf
    """
    from maskstat.figures.contrast import contrast_over_iterations
    from maskstat.stats.contrast import contrast

    table = contrast(*found, differ=differ, baseline=baseline, iteration=iteration, layers=layers)
    return contrast_over_iterations(table)
