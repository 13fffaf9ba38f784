"""``maskstat outputs``."""

from __future__ import annotations

import click

from maskstat.cli.inputs import load
from maskstat.cli.options import (
    SUMMARIZE,
    group_by_option,
    iteration_option,
    pairs_option,
    select_option,
    sources_argument,
    stored_dataset_option,
)
from maskstat.cli.rows import Rows, row_options
from maskstat.errors import UsageError
from maskstat.run import Run
from maskstat.stats.outputs import SELDOM, outputs
from maskstat.table import Table

__all__ = ["command"]


@click.command("outputs")
@sources_argument
@iteration_option()
@select_option
@stored_dataset_option
@pairs_option
@click.option(
    "--center-rows",
    is_flag=True,
    help="Take each example's mean output away before CKA: softmax ignores it, CKA does not.",
)
@group_by_option(SUMMARIZE)
@click.option(
    "--ensemble",
    is_flag=True,
    help="Instead of pairs: the accuracy of all networks together, beside each one's own.",
)
@row_options(verbose=True)
def command(
    sources: tuple[str, ...],
    iteration: str,
    select: str | None,
    dataset: str | None,
    pairs: str,
    center_rows: bool,
    group_by: str | None,
    ensemble: bool,
    rows: Rows,
) -> None:
    """Compare what networks compute: their outputs on the same examples.

    One row a pair and iteration: linear CKA (debiased), distance, how often both predict the same
    class beside chance, and, where the true classes are stored, whether they err on the same
    examples. Outputs are stored by maskstat prune --save-outputs.

    \b
    Example:
      maskstat outputs a.h5 b.h5
      maskstat outputs runs/*.h5 --iteration all --group-by init_seed
      maskstat outputs tickets/*.h5 --ensemble
    """
    found = load(sources, select)
    if ensemble:
        given = {"--group-by": group_by, "--center-rows": center_rows, "--pairs": pairs != "all"}
        table = _ensemble(found, iteration, dataset, [name for name, set_ in given.items() if set_])
    else:
        table = outputs(
            *found, iteration=iteration, dataset=dataset, center_rows=center_rows, pairs=pairs
        )
        if group_by:
            from maskstat.stats.outputs_summary import summarize_outputs

            table = summarize_outputs(table, group_by=group_by)
    rows.emit(table, seldom=() if ensemble else (*SELDOM, "cka_biased_se"))


def _ensemble(
    found: list[tuple[Run, int | None]], iteration: str, dataset: str | None, given: list[str]
) -> Table:
    """Combine all networks; options that are about pairs have no place there."""
    from maskstat.stats.ensemble import ensemble

    if given:
        raise UsageError(
            f"{given[0]} is about pairs",
            code="bad-combination",
            place="--ensemble",
            consequence="an ensemble combines all networks at once",
        )
    return ensemble(*found, iteration=iteration, dataset=dataset)
