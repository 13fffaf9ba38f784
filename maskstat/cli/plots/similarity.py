"""``maskstat plot similarity``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from maskstat.cli.figure import Found, figure_command
from maskstat.cli.options import (
    APART,
    group_by_option,
    iteration_option,
    pairs_option,
    select_option,
    stored_dataset_option,
)

if TYPE_CHECKING:
    from maskstat.figures.style import Figure

__all__ = ["command"]


@figure_command("similarity")
@click.option(
    "--measure",
    "measures",
    multiple=True,
    default=("cka", "rms"),
    metavar="NAME",
    help="cka, cka_biased, l2, rms, agreement, kappa or error_kappa: a panel each. Repeatable.  "
    "[default: cka, rms]",
)
@iteration_option("all")
@select_option
@stored_dataset_option
@pairs_option
@group_by_option(APART)
def command(
    found: Found,
    *,
    measures: tuple[str, ...],
    iteration: str,
    dataset: str | None,
    pairs: str,
    group_by: str | None,
) -> Figure:
    """How alike the outputs of pairs of networks are, by pruning iteration.

    Violins of CKA and of the L2 distance, with --group-by within groups on the left and across
    them on the right, and how many pairs there are under each; dots where they are few (Grosse &
    Backes 2020, Figures 6, 9 and 15). Outputs are stored by maskstat prune --save-outputs.

    \b
    Example:
      maskstat plot similarity runs/*.h5 --group-by init_seed -o similarity.pdf
      maskstat plot similarity runs/*.h5 --measure cka_biased --measure l2 -o paper.pdf
    """
    from maskstat.figures.similarity import similarity_over_iterations
    from maskstat.stats.outputs import outputs

    table = outputs(*found, iteration=iteration, dataset=dataset, pairs=pairs)
    return similarity_over_iterations(table, group_by=group_by, measures=measures)
