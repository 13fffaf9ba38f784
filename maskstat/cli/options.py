"""Every option that more than one command has, defined once."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, TypeVar

import click

__all__ = [
    "FORMATS",
    "at_least_option",
    "fail_if_option",
    "foreign_options",
    "format_option",
    "group_by_option",
    "iteration_option",
    "layer_option",
    "memory_options",
    "output_option",
    "overwrite_option",
    "pairs_option",
    "quiet_option",
    "seed_option",
    "select_option",
    "sources_argument",
    "threshold_option",
    "verbose_option",
]

F = TypeVar("F", bound=Callable[..., Any])
Decorator = Callable[[F], F]

FORMATS = ("table", "tsv", "csv", "json", "jsonl")


def _remember(name: str) -> Callable[[click.Context, click.Parameter, Any], Any]:
    """Keep an option's value where error reports and notes find it."""

    def callback(ctx: click.Context, param: click.Parameter, value: Any) -> Any:
        ctx.meta[f"maskstat.{name}"] = value
        return value

    return callback


def output_option(what: str, *, required: bool = False) -> Decorator[Any]:
    """``-o/--output``: where the result goes."""
    return click.option(
        "-o",
        "--output",
        metavar="PATH|-",
        required=required,
        help=f"{what} '-' is standard output.",
    )


overwrite_option: Decorator[Any] = click.option(
    "--overwrite", is_flag=True, help="Replace the output if it exists."
)

format_option: Decorator[Any] = click.option(
    "-f",
    "--format",
    "format_",
    type=click.Choice(FORMATS),
    is_eager=True,
    callback=_remember("format"),
    help="Form of the result. [default: table on a terminal, else tsv]",
)

quiet_option: Decorator[Any] = click.option(
    "-q",
    "--quiet",
    is_flag=True,
    is_eager=True,
    callback=_remember("quiet"),
    help="Say nothing on standard error but errors; results are printed all the same.",
)

verbose_option: Decorator[Any] = click.option(
    "-v", "--verbose", is_flag=True, help="Print every column, the seldom used ones too."
)

layer_option: Decorator[Any] = click.option(
    "--layer",
    "layers",
    multiple=True,
    metavar="NAME",
    help="Only this layer; a glob such as 'conv*' names several. Repeatable.",
)

iteration_option: Decorator[Any] = click.option(
    "--iteration",
    default="last",
    show_default=True,
    metavar="N|last|all|A-B",
    help="Pruning iterations; an address FILE@N outranks it. 'all' leaves out the dense one, 0.",
)

select_option: Decorator[Any] = click.option(
    "--select",
    metavar="'KEY=VALUE ...'",
    help="Only the runs that match, e.g. 'method=l1-* seed=0-5'.",
)

pairs_option: Decorator[Any] = click.option(
    "--pairs",
    default="all",
    show_default=True,
    metavar="all|first|I:J,...",
    help="Which pairs: all, the first input with each other, or by position from 1.",
)

group_by_option: Decorator[Any] = click.option(
    "--group-by",
    metavar="KEY",
    help="Summarize pairs within and between groups of runs with the same init_seed, seed, "
    "replicate, dataset, method or model.",
)

threshold_option: Decorator[Any] = click.option(
    "--threshold",
    metavar="T",
    help="Share of the masks that has to keep a weight, in (0, 1]: 0.6, 2/3.  [default: 1]",
)

at_least_option: Decorator[Any] = click.option(
    "--at-least",
    "at_least_votes",
    type=int,
    metavar="K",
    help="The same as an exact number of masks.",
)

seed_option: Decorator[Any] = click.option(
    "--seed", type=click.IntRange(min=0), metavar="S", help="Base seed of everything random."
)

fail_if_option: Decorator[Any] = click.option(
    "--fail-if",
    "fail_if",
    multiple=True,
    metavar="'[LAYER:]COLUMN OP NUMBER'",
    help="End with status 1 if any row meets this, e.g. 'total:jaccard < 0.9'. Repeatable.",
)


_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([kMGT]?)(i?)B?", re.IGNORECASE)


def _bytes(ctx: click.Context, param: click.Parameter, value: str | None) -> int | None:
    """Take 500M, 1.5G or 2GiB as bytes."""
    if value is None:
        return None
    match = _SIZE.fullmatch(value.strip())
    if match is None:
        raise click.BadParameter(f"'{value}' is no size; write 500M, 1.5G or 2GiB", ctx, param)
    number, prefix, binary = match.groups()
    power = " KMGT".index(prefix.upper() or " ")
    return int(float(number) * (1024 if binary else 1000) ** power)


def memory_options(command: F) -> F:
    """``--limit-memory``, ``--threads``: what counting may use."""
    for option in (
        click.option(
            "--threads",
            type=click.IntRange(min=1),
            metavar="N",
            help="How many count at once where masks are in memory and large; the result is the "
            "same. [default: processor cores, at most 4]",
        ),
        click.option(
            "--limit-memory",
            metavar="SIZE",
            callback=_bytes,
            help="Most memory for the buffers of the count, e.g. 500M or 2G; with many large "
            "masks it then takes longer. [default: 256MiB]",
        ),
    ):
        command = option(command)
    return command


def foreign_options(command: F) -> F:
    """``--from``, ``--include``, ``--exclude``: how files that are no archives are read.

    Their values are kept where `maskstat.cli.inputs.load` finds them.
    """
    for option in (
        click.option(
            "--exclude",
            multiple=True,
            metavar="GLOB",
            expose_value=False,
            callback=_remember("exclude"),
            help="Of foreign files, leave out these tensors. Repeatable.",
        ),
        click.option(
            "--include",
            multiple=True,
            metavar="GLOB",
            expose_value=False,
            callback=_remember("include"),
            help="Of foreign files, read these tensors alone. Repeatable.",
        ),
        click.option(
            "--from",
            "from_",
            metavar="FORMAT",
            expose_value=False,
            callback=_remember("from"),
            help="Format of files that are no archives, e.g. zeros for a dense checkpoint; "
            "told by their content if left out. See maskstat convert --help.",
        ),
    ):
        command = option(command)
    return command


def sources_argument(command: F) -> F:
    """Add ``FILE...``: what a command works on."""
    named = click.argument("sources", nargs=-1, required=True, metavar="FILE...")
    return named(foreign_options(command))
