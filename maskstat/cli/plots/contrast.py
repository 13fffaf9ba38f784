"""``maskstat plot contrast``."""

from __future__ import annotations

import click

from maskstat.cli.options import (
    iteration_option,
    layer_option,
    overwrite_option,
    quiet_option,
    select_option,
    sources_argument,
)
from maskstat.cli.plot import figure_option, save_figure

__all__ = ["command"]


@click.command("contrast", context_settings={"default_map": {"iteration": "all"}})
@sources_argument
@figure_option
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
@iteration_option
@layer_option
@select_option
@overwrite_option
@quiet_option
def command(
    sources: tuple[str, ...],
    output: str,
    differ: str,
    baseline: str | None,
    iteration: str,
    layers: tuple[str, ...],
    select: str | None,
    overwrite: bool,
    quiet: bool,
) -> None:
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
    from maskstat.cli.inputs import load
    from maskstat.figures.contrast import contrast_over_iterations
    from maskstat.stats.contrast import contrast

    table = contrast(
        *load(sources, select),
        differ=differ,
        baseline=baseline,
        iteration=iteration,
        layers=layers,
    )
    save_figure(contrast_over_iterations(table), output, overwrite=overwrite)
