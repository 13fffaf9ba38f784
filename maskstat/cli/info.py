"""``maskstat info``."""

from __future__ import annotations

import click

from maskstat.cli.inputs import load
from maskstat.cli.options import foreign_options, selection_options
from maskstat.cli.report import counted, note
from maskstat.cli.rows import Rows, row_options
from maskstat.run import Run
from maskstat.stats.inventory import describe
from maskstat.stats.pattern import parse_pattern
from maskstat.stats.pattern import pattern as hold_against

__all__ = ["command"]


@click.command("info")
@click.argument("source", metavar="FILE")
@foreign_options
@selection_options()
@click.option(
    "--pattern",
    metavar="N:M|RxC|channels",
    help="Hold the layers against a pattern instead: at most N of M consecutive inputs kept, "
    "blocks of R outputs by C inputs kept whole or not at all; or count empty channels.",
)
@row_options(fail_if="total:density > 0.2")
def command(
    source: str,
    iteration: str,
    layers: tuple[str, ...],
    select: str | None,
    pattern: str | None,
    rows: Rows,
) -> None:
    """Show what a run holds: layers, sparsity, accuracy, where it comes from.

    One row a layer, then the total, for the chosen iterations. What identifies the run is said on
    standard error; --format json has it in "inputs", provenance included. With --pattern the rows
    count what follows a pattern of structured sparsity and what violates it.

    \b
    Example:
      maskstat info run.h5
      maskstat info run.h5 --iteration all --layer 'fc*'
      maskstat info run.h5 --fail-if 'total:density > 0.2'
      maskstat info run.h5 --pattern 2:4 --fail-if 'total:violating_groups > 0'
    """
    if pattern is not None:
        parse_pattern(pattern)  # its error comes before the file's
    found = load([source], select)
    for run, _ in found:
        _introduce(run)
    if pattern is None:
        table = describe(*found, iteration=iteration, layers=layers)
    else:
        table = hold_against(*found, pattern=pattern, iteration=iteration, layers=layers)
    rows.emit(table, seldom=("run",) if len(found) == 1 else ())


def _introduce(run: Run) -> None:
    """Say in a few lines what identifies a run."""
    seed = "" if run.seed is None else f", seed {run.seed}"
    replicate = "" if run.replicate is None else f", replicate {run.replicate}"
    facts = [word for word in (run.model, run.dataset, run.method) if word]
    note(f"{run.label}: {' / '.join(facts) or run.run_id}{seed}{replicate}")
    prunings = counted(run.n_iterations - 1, "pruning")
    note(f"  {', '.join(filter(None, (run.status, prunings, run.digest)))}")
    stored = [f"{kind} weights" for kind in run.weights] + [f"outputs on {d}" for d in run.outputs]
    note(f"  stored beside the masks: {', '.join([*run.series, *stored]) or 'nothing'}")
