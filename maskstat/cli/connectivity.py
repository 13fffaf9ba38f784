"""``maskstat connectivity``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from maskstat.cli.idle import refuse_idle
from maskstat.cli.inputs import load
from maskstat.cli.options import selection_options, sources_argument
from maskstat.cli.rows import Rows, row_options
from maskstat.errors import InputError, NotFoundError
from maskstat.stats.connect import SELDOM, Bias, connectivity
from maskstat.stats.parameters_left import parameters_left
from maskstat.table import Table

__all__ = ["command"]

_NOT_GROUPED = ("iteration", "layers", "bias", "graph_file", "exclude_padding")
"""What has no effect with ``--group-by``."""


@click.command("connectivity")
@sources_argument
@selection_options()
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
@click.option(
    "--group-by",
    metavar="KEY,...",
    help="Instead: all parameters left after each pruning, biases included, averaged over runs "
    "with the same model, dataset, method, rewind, seed, replicate or init_seed.",
)
@row_options(fail_if="total:dead_outputs > 0", verbose=True)
def command(
    sources: tuple[str, ...],
    iteration: str,
    layers: tuple[str, ...],
    select: str | None,
    bias: Bias,
    graph_file: str | None,
    exclude_padding: bool,
    group_by: str | None,
    rows: Rows,
) -> None:
    """Count kept weights that still have an effect, and dead units.

    One row a mask and layer, then the total: explicit sparsity, and effective sparsity by two
    rules: weights that reach the output, and weights on a path from the input to the output.
    Needs no torch: the network's graph is stored when a run is made. With --group-by, a row a group
    and pruning iteration: parameters left and those that have an effect (Paganini & Forde 2020,
    Table 1).

    \b
    Example:
      maskstat connectivity run.h5
      maskstat connectivity runs/*.h5 --iteration all --format csv > effective.csv
      maskstat connectivity runs/*.h5 --group-by model,method
      maskstat connectivity run.h5 --fail-if 'total:dead_outputs > 0'
      maskstat connectivity foreign.h5 --graph network.json
    """
    if group_by is not None:
        refuse_idle(_NOT_GROUPED, "does nothing with --group-by")
        rows.emit(parameters_left(*load(sources, select), group_by=group_by))
        return
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
    rows.emit(table, seldom=(*SELDOM, "note"), notes=_said(table))


def _said(table: Table) -> list[str]:
    """Say once what the counts rest on."""
    texts = dict.fromkeys(row["note"] for row in table.where(layer="total"))
    return [f"note: {text}" for text in texts if text is not None]


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
