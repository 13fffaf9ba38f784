"""``maskstat info``."""

from __future__ import annotations

import click

from maskstat.cli.inputs import load
from maskstat.cli.options import (
    fail_if_option,
    foreign_options,
    format_option,
    iteration_option,
    layer_option,
    output_option,
    overwrite_option,
    quiet_option,
    select_option,
)
from maskstat.cli.output import emit, gated
from maskstat.cli.report import note
from maskstat.errors import printable
from maskstat.run import Run
from maskstat.stats.inventory import describe
from maskstat.stats.pattern import parse_pattern
from maskstat.stats.pattern import pattern as hold_against

__all__ = ["command"]


@click.command("info")
@click.argument("source", metavar="FILE")
@foreign_options
@iteration_option
@layer_option
@select_option
@click.option(
    "--pattern",
    metavar="N:M|RxC|channels",
    help="Hold the layers against a pattern instead: at most N of M consecutive inputs kept, "
    "blocks of R outputs by C inputs kept whole or not at all; or count empty channels.",
)
@fail_if_option
@format_option
@output_option("Write the rows here.")
@overwrite_option
@quiet_option
def command(
    source: str,
    iteration: str,
    layers: tuple[str, ...],
    select: str | None,
    pattern: str | None,
    fail_if: tuple[str, ...],
    format_: str | None,
    output: str | None,
    overwrite: bool,
    quiet: bool,
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
    if not quiet:
        for run, _ in found:
            _introduce(run)
    if pattern is None:
        table = describe(*found, iteration=iteration, layers=layers)
    else:
        table = hold_against(*found, pattern=pattern, iteration=iteration, layers=layers)
    hidden = ("run",) if len(found) == 1 else ()
    with gated(table, fail_if):
        emit(table, format_=format_, output=output, overwrite=overwrite, hidden=hidden)


def _introduce(run: Run) -> None:
    """Say in a few lines what identifies a run."""
    seed = "" if run.seed is None else f", seed {run.seed}"
    replicate = "" if run.replicate is None else f", replicate {run.replicate}"
    facts = [word for word in (run.model, run.dataset, run.method) if word]
    note(f"{printable(run.label)}: {printable(' / '.join(facts)) or run.run_id}{seed}{replicate}")
    number = run.n_iterations - 1
    times = f"{number} pruning{'' if number == 1 else 's'}"
    note(f"  {', '.join(filter(None, (run.status, times, run.digest)))}")
    stored = [f"{kind} weights" for kind in run.weights] + [f"outputs on {d}" for d in run.outputs]
    note(f"  stored beside the masks: {', '.join([*run.series, *stored]) or 'nothing'}")
