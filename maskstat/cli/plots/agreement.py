"""``maskstat plot agreement``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from maskstat.cli.figure import Found, figure_command
from maskstat.cli.options import iteration_option, select_option, stored_dataset_option

if TYPE_CHECKING:
    from maskstat.figures.style import Figure

__all__ = ["command"]


@figure_command("agreement")
@click.option(
    "--differ",
    type=click.Choice(["method", "rewind"]),
    default="method",
    show_default=True,
    help="In what the two runs of a pair differ.",
)
@click.option("--baseline", metavar="VALUE", help="Only pairs with this method or rewinding.")
@click.option("--matrix", is_flag=True, help="Draw one iteration, the last unless told.")
@stored_dataset_option
@iteration_option("all")
@select_option
def command(
    found: Found,
    *,
    differ: str,
    baseline: str | None,
    matrix: bool,
    dataset: str | None,
    iteration: str,
) -> Figure:
    """Share of examples for which networks predict the same class.

    Networks of one seed that differ in their pruning method alone, over pruning iterations: the
    mean over seeds, a band of one standard deviation, half up and half down, and what agreement
    chance gives; with --matrix, numbers of examples at one iteration (Paganini & Forde 2020, Figure
    11). Outputs are stored by maskstat prune --save-outputs.

    \b
    Example:
      maskstat plot agreement runs/*.h5 --baseline l2-structured -o agreement.pdf
      maskstat plot agreement runs/*.h5 --matrix --iteration 20 -o figure11.pdf
    """
    from click.core import ParameterSource

    from maskstat.figures.agreement import agreement_matrix, agreement_over_iterations
    from maskstat.stats.contrast import contrast_predictions

    told = click.get_current_context().get_parameter_source("iteration")
    if matrix and told is not ParameterSource.COMMANDLINE:
        iteration = "last"
    table = contrast_predictions(
        *found, differ=differ, baseline=baseline, iteration=iteration, dataset=dataset
    )
    draw = agreement_matrix if matrix else agreement_over_iterations
    return draw(table)
