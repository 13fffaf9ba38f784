"""``maskstat consensus``."""

from __future__ import annotations

import click

from maskstat.cli.archives import save_runs
from maskstat.cli.inputs import load
from maskstat.cli.options import (
    fail_if_option,
    format_option,
    memory_options,
    output_option,
    overwrite_option,
    quiet_option,
    selection_options,
    sources_argument,
    threshold_options,
)
from maskstat.cli.output import emit, gated
from maskstat.cli.report import note
from maskstat.stats.consensus import Consensus, consensus

__all__ = ["command"]

SELDOM = ("masks", "normalized", "omnibus_df", "omnibus_log10_p")
"""Columns that a terminal's table leaves out."""


@click.command("consensus")
@sources_argument
@threshold_options
@click.option(
    "--baseline",
    type=click.Choice(["exact", "grosse2020"]),
    default="exact",
    show_default=True,
    help="Also the baseline of Grosse & Backes (2020), Appendix B, with what of it can be used.",
)
@selection_options()
@memory_options
@fail_if_option("total:z > 5")
@format_option
@output_option("Write the consensus ticket here, as an archive.")
@overwrite_option
@quiet_option
def command(
    sources: tuple[str, ...],
    threshold: str | None,
    at_least_votes: int | None,
    baseline: str,
    iteration: str,
    layers: tuple[str, ...],
    select: str | None,
    limit_memory: int | None,
    threads: int | None,
    fail_if: tuple[str, ...],
    format_: str | None,
    output: str | None,
    overwrite: bool,
) -> None:
    """Count in how many masks each weight is kept; make the consensus ticket.

    One row a layer and number of votes, beside the exact expectation and standard deviation for
    masks of the same sizes drawn at random within each layer. With -o, the weights kept by enough
    of the masks become a ticket (prêt-à-porter, Paganini & Forde 2020): an archive with its votes,
    its parents' digests and, where the parents share them, the initial weights.

    \b
    Example:
      maskstat consensus tickets/*.h5
      maskstat consensus tickets/*.h5 --threshold 0.6 -o consensus.h5
    """
    result = consensus(
        *load(sources, select),
        threshold=threshold,
        at_least_votes=at_least_votes,
        iteration=iteration,
        layers=layers,
        baseline=baseline,
        limit_memory=limit_memory,
        threads=threads,
    )
    to_stdout = output == "-"
    with gated(result, fail_if):
        if output is not None:
            save_runs(output, [result.to_run()], overwrite=overwrite)
            _introduce(result, "" if to_stdout else f" -> {output}")
        if not to_stdout:
            emit(result, format_=format_, hidden=SELDOM)


def _introduce(result: Consensus, where: str) -> None:
    """Say what the ticket keeps."""
    ticket = result.ticket
    note(
        f"ticket: kept by {result.least} or more of {len(result.sources)} masks: "
        f"{ticket.n_kept:,} of {ticket.layout.size:,} weights ({100 * ticket.density:.3g} %){where}"
    )
