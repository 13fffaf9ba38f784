"""``maskstat plot agreement``."""

from __future__ import annotations

import click

from maskstat.cli.options import (
    iteration_option,
    overwrite_option,
    quiet_option,
    select_option,
    sources_argument,
)
from maskstat.cli.plot import figure_option, save_figure

__all__ = ["command"]


@click.command("agreement", context_settings={"default_map": {"iteration": "all"}})
@sources_argument
@figure_option
@click.option(
    "--differ",
    type=click.Choice(["method", "rewind"]),
    default="method",
    show_default=True,
    help="In what the two runs of a pair differ.",
)
@click.option("--baseline", metavar="VALUE", help="Only pairs with this method or rewinding.")
@click.option("--matrix", is_flag=True, help="Draw one iteration, the last unless told.")
@click.option(
    "--dataset",
    metavar="NAME",
    help="Data set whose outputs are compared; needed only where several are stored.",
)
@iteration_option
@select_option
@overwrite_option
@quiet_option
def command(
    sources: tuple[str, ...],
    output: str,
    differ: str,
    baseline: str | None,
    matrix: bool,
    dataset: str | None,
    iteration: str,
    select: str | None,
    overwrite: bool,
    quiet: bool,
) -> None:
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

    from maskstat.cli.inputs import load
    from maskstat.figures.agreement import agreement_matrix, agreement_over_iterations
    from maskstat.stats.contrast import contrast_predictions

    told = click.get_current_context().get_parameter_source("iteration")
    if matrix and told is not ParameterSource.COMMANDLINE:
        iteration = "last"
    table = contrast_predictions(
        *load(sources, select),
        differ=differ,
        baseline=baseline,
        iteration=iteration,
        dataset=dataset,
    )
    draw = agreement_matrix if matrix else agreement_over_iterations
    save_figure(draw(table), output, overwrite=overwrite)
