"""``maskstat compare``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import click

from maskstat.cli.idle import refuse_idle
from maskstat.cli.inputs import load
from maskstat.cli.names import complete_measures, complete_nulls
from maskstat.cli.options import (
    SUMMARIZE,
    group_by_option,
    memory_options,
    pairs_option,
    seed_option,
    selection_options,
    sources_argument,
)
from maskstat.cli.rows import Rows, row_options
from maskstat.stats.compare import SELDOM, compare
from maskstat.stats.corrections import Correction
from maskstat.stats.pairtest import Alternative

if TYPE_CHECKING:
    from maskstat.stats.summary import Band

__all__ = ["command"]

_NOT_MATCHED = (
    "layers", "null", "alternative", "mid_p", "measures", "group_by", "band", "common", "missing",
    "correction", "limit_memory", "threads",
)  # fmt: skip
"""What has no effect with ``--match``."""

_NOT_SUMMARIZED = ("alternative", "mid_p", "measures", "correction")
"""What has no effect on a summary of many pairs, which counts those outside chance's intervals."""


@click.command("compare")
@sources_argument
@selection_options()
@pairs_option
@click.option(
    "--null",
    default="auto",
    show_default=True,
    metavar="NULL",
    shell_complete=complete_nulls,
    help="Chance model: auto, layer, stratified, pooled, channel, row, column, margins, parent or "
    "inherit.",
)
@click.option(
    "--alternative",
    type=click.Choice(["two-sided", "fisher", "greater", "less"]),
    default="two-sided",
    show_default=True,
    help="What counts as extreme; two-sided doubles the smaller tail.",
)
@click.option("--mid-p", is_flag=True, help="Count the observed overlap half in each tail.")
@click.option(
    "--measure",
    "measures",
    default="",
    metavar="NAME,...",
    shell_complete=complete_measures,
    help="More columns: dice, containment, hamming, hamming-normalized, kappa, mcc, log-odds, "
    "log-odds-se, adjusted-jaccard.",
)
@group_by_option(SUMMARIZE)
@click.option(
    "--band",
    type=click.Choice(["t95", "sd", "half-sd"]),
    help="Summarize all pairs: mean distance and band over runs, by iteration.",
)
@click.option(
    "--common", is_flag=True, help="Compare only the layers that all inputs have, in one shape."
)
@click.option(
    "--missing",
    type=click.Choice(["error", "dense"]),
    default="error",
    show_default=True,
    help="A layer that an input does not have: an error, or all of it kept (changes totals).",
)
@click.option(
    "--match",
    type=click.Choice(["units"]),
    help="Overlap after the best permutation of hidden units, beside that of random masks matched "
    "in the same way.",
)
@click.option(
    "--draws",
    type=click.IntRange(min=2),
    default=199,
    show_default=True,
    metavar="N",
    help="Random pairs of masks that --match draws.",
)
@seed_option
@click.option(
    "--correction",
    type=click.Choice(["bh", "holm", "by", "none"]),
    default="bh",
    show_default=True,
    help="Correction of p for the number of rows tested: column log10_q.",
)
@memory_options
@row_options(fail_if="total:jaccard < 0.9", verbose=True)
def command(
    sources: tuple[str, ...],
    iteration: str,
    layers: tuple[str, ...],
    select: str | None,
    pairs: str,
    null: str,
    alternative: Alternative,
    mid_p: bool,
    measures: str,
    group_by: str | None,
    band: Band | None,
    common: bool,
    missing: Literal["error", "dense"],
    match: str | None,
    draws: int,
    seed: int | None,
    correction: Correction,
    limit_memory: int | None,
    threads: int | None,
    rows: Rows,
) -> None:
    """Compare masks: overlap, what chance gives, significance.

    One row a pair, iteration and layer, then the pair's total: counts, Jaccard index, the overlap
    expected of masks of the same sizes drawn at random, and log10 of the two-sided p. Layers are
    tested by the exact hypergeometric law, totals with every layer's sizes fixed, so that a total
    is never called similar only because both networks keep the same layers dense.

    Exit status: 1 if a --fail-if is met; 3 if layers differ.

    \b
    Example:
      maskstat compare a.h5 b.h5
      maskstat compare runs/*.h5 --iteration all --format csv > pairs.csv
      maskstat compare runs/*.h5 --iteration all --group-by init_seed
      maskstat compare old.h5 new.h5 --fail-if 'total:jaccard < 0.9'
    """
    if common:
        refuse_idle(["missing"], "does nothing with --common")
    if match:
        refuse_idle(_NOT_MATCHED, "does nothing with --match")
    else:
        refuse_idle(["draws", "seed"], "does nothing without --match")
    if group_by or band:
        refuse_idle(_NOT_SUMMARIZED, "does nothing with --group-by and --band")
    found = load(sources, select)
    if match:
        from maskstat.stats.matched import matched

        table = matched(*found, iteration=iteration, pairs=pairs, draws=draws, seed=seed or 0)
        rows.emit(table)
        return
    table = compare(
        *found,
        iteration=iteration,
        layers=layers,
        pairs=pairs,
        null=null,
        alternative=alternative,
        mid_p=mid_p,
        measures=[name.strip() for name in measures.split(",") if name.strip()],
        correction=correction,
        missing="skip" if common else missing,
        limit_memory=limit_memory,
        threads=threads,
    )
    if group_by or band:
        from maskstat.stats.summary import summarize

        table = summarize(table, group_by=group_by, band=band or "t95")
    rows.emit(table, seldom=SELDOM)
