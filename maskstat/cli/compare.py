"""``maskstat compare``."""

from __future__ import annotations

import click

from maskstat.cli.gates import check_gates
from maskstat.cli.inputs import load
from maskstat.cli.options import (
    fail_if_option,
    format_option,
    iteration_option,
    layer_option,
    output_option,
    overwrite_option,
    quiet_option,
    select_option,
    sources_argument,
    verbose_option,
)
from maskstat.cli.output import emit
from maskstat.stats.compare import SELDOM, compare

__all__ = ["command"]


@click.command("compare")
@sources_argument
@iteration_option
@layer_option
@select_option
@click.option(
    "--pairs",
    default="all",
    show_default=True,
    metavar="all|first|I:J,...",
    help="Which pairs: all, the first input with each other, or by position from 1.",
)
@click.option(
    "--correction",
    type=click.Choice(["bh", "holm", "by", "none"]),
    default="bh",
    show_default=True,
    help="Correction of p for the number of rows tested: column log10_q.",
)
@fail_if_option
@format_option
@output_option("Write the rows here.")
@overwrite_option
@verbose_option
@quiet_option
def command(
    sources: tuple[str, ...],
    iteration: str,
    layers: tuple[str, ...],
    select: str | None,
    pairs: str,
    correction: str,
    fail_if: tuple[str, ...],
    format_: str | None,
    output: str | None,
    overwrite: bool,
    verbose: bool,
    quiet: bool,
) -> None:
    r"""Compare masks: overlap, what chance gives, significance.

    One row a pair, iteration and layer, then the pair's total: counts, Jaccard index, the overlap
    expected of masks of the same sizes drawn at random, and log10 of the two-sided p. Layers are
    tested by the exact hypergeometric law, totals with every layer's sizes fixed, so that a total
    is never called similar only because both networks keep the same layers dense.

    \b
    Example:
      maskstat compare a.h5 b.h5
      maskstat compare runs/*.h5 --iteration all --format csv > pairs.csv
      maskstat compare a.h5@3 a.h5@9
      maskstat compare old.h5 new.h5 --fail-if 'total:jaccard < 0.9'
    """
    table = compare(
        *load(sources, select),
        iteration=iteration,
        layers=layers,
        pairs=pairs,
        correction=correction,
    )
    hidden = () if verbose else SELDOM
    emit(table, format_=format_, output=output, overwrite=overwrite, hidden=hidden)
    check_gates(table, fail_if)
