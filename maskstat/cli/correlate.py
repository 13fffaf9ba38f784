"""``maskstat correlate``."""

from __future__ import annotations

import click

from maskstat.cli.inputs import load
from maskstat.cli.options import (
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
from maskstat.cli.report import note
from maskstat.stats.correlate import NO_CONTROL, SELDOM, correlate

__all__ = ["command"]


@click.command("correlate")
@sources_argument
@iteration_option
@layer_option
@select_option
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
    format_: str | None,
    output: str | None,
    overwrite: bool,
    verbose: bool,
    quiet: bool,
) -> None:
    """Correlate the ranks of initial and final weights.

    One row a run, iteration and layer, then the total, which averages the layers: Spearman's rank
    correlation inside the mask, of the values and of their magnitudes, the share of signs that
    stayed beside its chance level, and the same over the whole layer as a control: keeping large
    weights changes the correlation of what is kept without changing a weight. The control needs
    the weights from before the pruning: maskstat prune --save-weights all.

    \b
    Example:
      maskstat correlate run.h5
      maskstat correlate run.h5 --iteration all --format csv > ranks.csv
      maskstat correlate runs/*.h5@6 --layer 'fc*' --verbose
    """
    table = correlate(*load(sources, select), iteration=iteration, layers=layers)
    hidden = () if verbose else SELDOM
    emit(table, format_=format_, output=output, overwrite=overwrite, hidden=hidden)
    if NO_CONTROL in table.column("note"):
        note(
            "note: no training of the whole layers is stored, so there is no control; "
            "maskstat prune --save-weights all keeps it"
        )
