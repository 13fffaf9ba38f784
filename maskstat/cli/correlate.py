"""``maskstat correlate``."""

from __future__ import annotations

import click

from maskstat.cli.inputs import load
from maskstat.cli.options import selection_options, sources_argument
from maskstat.cli.rows import Rows, row_options
from maskstat.stats.correlate import NO_CONTROL, SELDOM, correlate

__all__ = ["command"]

_UNCONTROLLED = (
    "note: no training of the whole layers is stored, so there is no control; "
    "maskstat prune --save-weights all keeps it"
)


@click.command("correlate")
@sources_argument
@selection_options()
@row_options(verbose=True)
def command(
    sources: tuple[str, ...],
    iteration: str,
    layers: tuple[str, ...],
    select: str | None,
    rows: Rows,
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
    uncontrolled = NO_CONTROL in table.column("note")
    rows.emit(table, seldom=SELDOM, notes=[_UNCONTROLLED] if uncontrolled else [])
