"""``maskstat plot similarity``."""

from __future__ import annotations

import click

from maskstat.cli.options import (
    group_by_option,
    iteration_option,
    overwrite_option,
    pairs_option,
    quiet_option,
    select_option,
    sources_argument,
)
from maskstat.cli.plot import figure_option, save_figure

__all__ = ["command"]


@click.command("similarity", context_settings={"default_map": {"iteration": "all"}})
@sources_argument
@figure_option
@click.option(
    "--measure",
    "measures",
    multiple=True,
    default=("cka", "rms"),
    show_default="cka and rms",
    metavar="NAME",
    help="cka, cka_biased, l2, rms, agreement, kappa or error_kappa: a panel each. Repeatable.",
)
@iteration_option
@select_option
@click.option(
    "--dataset",
    metavar="NAME",
    help="Data set whose outputs are compared; needed only where several are stored.",
)
@pairs_option
@group_by_option
@overwrite_option
@quiet_option
def command(
    sources: tuple[str, ...],
    output: str,
    measures: tuple[str, ...],
    iteration: str,
    select: str | None,
    dataset: str | None,
    pairs: str,
    group_by: str | None,
    overwrite: bool,
    quiet: bool,
) -> None:
    """How alike the outputs of pairs of networks are, by pruning iteration.

    Violins of CKA and of the L2 distance, with --group-by within groups on the left and across
    them on the right, and how many pairs there are under each; dots where they are few (Grosse &
    Backes 2020, Figures 6, 9 and 15). Outputs are stored by maskstat prune --save-outputs.

    \b
    Example:
      maskstat plot similarity runs/*.h5 --group-by init_seed -o similarity.pdf
      maskstat plot similarity runs/*.h5 --measure cka_biased --measure l2 -o paper.pdf
    """
    from maskstat.cli.inputs import load
    from maskstat.figures.similarity import similarity_over_iterations
    from maskstat.stats.outputs import outputs

    table = outputs(*load(sources, select), iteration=iteration, dataset=dataset, pairs=pairs)
    figure = similarity_over_iterations(table, group_by=group_by, measures=measures)
    save_figure(figure, output, overwrite=overwrite)
