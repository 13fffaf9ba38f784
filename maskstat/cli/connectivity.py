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
from maskstat.stats.parameters_left import parameters_left
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
@click.option(
    "--group-by",
    metavar="KEY,...",
    help="Instead: all parameters left after each pruning, biases included, averaged over runs "
    "with the same model, dataset, method, rewind, seed, replicate or init_seed.",
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
    group_by: str | None,
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
        _refuse_idle_options()
        left = parameters_left(*load(sources, select), group_by=group_by)
        with gated(left, fail_if):
            emit(left, format_=format_, output=output, overwrite=overwrite)
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
    hidden = () if verbose else (*SELDOM, "note")
    with gated(table, fail_if):
        emit(table, format_=format_, output=output, overwrite=overwrite, hidden=hidden)
        _warn(table)


def _refuse_idle_options() -> None:
    """Refuse options that would do nothing, rather than let them be believed."""
    from click.core import ParameterSource

    context = click.get_current_context()
    for parameter in context.command.params:
        idle = parameter.name in ("iteration", "layers", "bias", "graph_file", "exclude_padding")
        given = context.get_parameter_source(parameter.name or "")
        if idle and given is ParameterSource.COMMANDLINE:
            raise click.UsageError(f"{parameter.opts[-1]} does nothing with --group-by")


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
