"""``maskstat connectivity``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

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
from maskstat.cli.output import emit, gated
from maskstat.cli.report import note
from maskstat.errors import InputError, NotFoundError
from maskstat.stats.connect import SELDOM, Bias, connectivity
from maskstat.table import Table

__all__ = ["command"]


@click.command("connectivity")
@sources_argument
@iteration_option
@layer_option
@select_option
@click.option(
    "--bias",
    type=click.Choice(["ignore", "keeps-alive"]),
    default="ignore",
    show_default=True,
    help="Whether a unit that no input reaches is dead, or kept alive by its bias.",
)
@click.option(
    "--graph",
    "graph_file",
    metavar="FILE.json",
    help="The network's operations; by default those stored when the run was made, else one "
    "chain of the layers.",
)
@click.option(
    "--exclude-padding",
    is_flag=True,
    help="Count weights that only ever meet padding as not effective.",
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
    bias: Bias,
    graph_file: str | None,
    exclude_padding: bool,
    fail_if: tuple[str, ...],
    format_: str | None,
    output: str | None,
    overwrite: bool,
    verbose: bool,
    quiet: bool,
) -> None:
    """Count kept weights that still have an effect, and dead units.

    One row a mask and layer, then the total: explicit sparsity, and effective sparsity by two
    rules: weights that reach the output, and weights on a path from the input to the output.
    Needs no torch: the network's graph is stored when a run is made.

    \b
    Example:
      maskstat connectivity run.h5
      maskstat connectivity runs/*.h5 --iteration all --format csv > effective.csv
      maskstat connectivity run.h5 --fail-if 'total:dead_outputs > 0'
      maskstat connectivity foreign.h5 --graph network.json
    """
    graph = None if graph_file is None else _read_graph(graph_file)
    table = connectivity(
        *load(sources, select),
        iteration=iteration,
        bias=bias,
        layers=layers,
        graph=graph,
        exclude_padding=exclude_padding,
    )
    # What the note column says in full is said on standard error as well.
    hidden = () if verbose else (*SELDOM, "note")
    with gated(table, fail_if):
        emit(table, format_=format_, output=output, overwrite=overwrite, hidden=hidden)
        _warn(table)


def _warn(table: Table) -> None:
    """Say once what the counts rest on."""
    for text in dict.fromkeys(row["note"] for row in table.where(layer="total")):
        if text is not None:
            note(f"note: {text}")


def _read_graph(path: str) -> Any:
    """Read a graph's nodes; what they say is checked where they are used."""
    try:
        return json.loads(Path(path).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise NotFoundError("there is no such file", code="no-such-file", place=path) from None
    except OSError as error:
        raise InputError(
            f"cannot be read: {error.strerror}", code="unreadable", place=path
        ) from error
    except (ValueError, RecursionError) as error:
        raise InputError(f"is no JSON: {error}", code="bad-graph", place=path) from error
