"""Every option that more than one command has, defined once."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, TypeAlias

import click

from maskstat.cli.names import complete_datasets, complete_formats_read

__all__ = [
    "APART",
    "FORMATS",
    "SUMMARIZE",
    "Decorator",
    "data_dir_option",
    "device_option",
    "download_option",
    "fail_if_option",
    "foreign_options",
    "format_option",
    "group_by_option",
    "in_order",
    "iteration_option",
    "layer_option",
    "memory_options",
    "output_option",
    "overwrite_option",
    "pairs_option",
    "quiet_option",
    "save_outputs_option",
    "scheduler_option",
    "seed_option",
    "select_option",
    "selection_options",
    "set_option",
    "sources_argument",
    "stored_dataset_option",
    "threshold_options",
    "verbose_option",
]

Decorator: TypeAlias = Callable[[Any], Any]

FORMATS = ("table", "tsv", "csv", "json", "jsonl")


def in_order(*options: Decorator) -> Decorator:
    """Join options into a group, which stand in the help as they are given."""

    def decorate(command: Any) -> Any:
        for option in reversed(options):
            command = option(command)
        return command

    return decorate


def _remember(name: str) -> Callable[[click.Context, click.Parameter, Any], Any]:
    """Keep an option's value where error reports and notes find it."""

    def callback(ctx: click.Context, param: click.Parameter, value: Any) -> Any:
        ctx.meta[f"maskstat.{name}"] = value
        return value

    return callback


def output_option(what: str, *, required: bool = False) -> Decorator:
    """Add ``-o/--output``: where the result goes."""
    return click.option(
        "-o",
        "--output",
        metavar="PATH|-",
        required=required,
        help=f"{what} '-' is standard output.",
    )


overwrite_option: Decorator = click.option(
    "--overwrite", is_flag=True, help="Replace the output if it exists."
)

format_option: Decorator = click.option(
    "-f",
    "--format",
    "format_",
    type=click.Choice(FORMATS),
    is_eager=True,
    callback=_remember("format"),
    help="Form of the result.  [default: table on a terminal, else tsv]",
)

quiet_option: Decorator = click.option(
    "-q",
    "--quiet",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_remember("quiet"),
    help="Say nothing on standard error but errors.",
)

verbose_option: Decorator = click.option(
    "-v", "--verbose", is_flag=True, help="Print every column, the seldom used ones too."
)

layer_option: Decorator = click.option(
    "--layer",
    "layers",
    multiple=True,
    metavar="NAME",
    help="Only this layer; a glob such as 'conv*' names several. Repeatable.",
)


def iteration_option(default: str = "last") -> Decorator:
    """Add ``--iteration``: which masks of a run."""
    return click.option(
        "--iteration",
        default=default,
        show_default=True,
        metavar="N|last|all|A-B",
        help="Pruning iterations; an address FILE@N outranks it. 'all' leaves out the dense one, "
        "0.",
    )


select_option: Decorator = click.option(
    "--select",
    metavar="'KEY=VALUE ...'",
    help="Only the runs that match, e.g. 'method=l1-* seed=0-5'.",
)


def selection_options(*, iteration: str = "last") -> Decorator:
    """Add ``--iteration``, ``--layer``, ``--select``: what of the files a command looks at."""
    return in_order(iteration_option(iteration), layer_option, select_option)


pairs_option: Decorator = click.option(
    "--pairs",
    default="all",
    show_default=True,
    metavar="all|first|I:J,...",
    help="Which pairs: all, the first input with each other, or by position from 1.",
)


SUMMARIZE = "Summarize pairs within and between groups of runs with the same"
APART = "Tell pairs within groups from pairs across them; a group is the runs with the same"


def group_by_option(what: str) -> Decorator:
    """Add ``--group-by`` one key; what it does is said in front of the keys."""
    return click.option(
        "--group-by",
        metavar="KEY",
        help=f"{what} init_seed, seed, replicate, dataset, method or model.",
    )


threshold_options: Decorator = in_order(
    click.option(
        "--threshold",
        metavar="T",
        help="Share of the masks that has to keep a weight, in (0, 1]: 0.6, 2/3.  [default: 1]",
    ),
    click.option(
        "--at-least",
        "at_least_votes",
        type=int,
        metavar="K",
        help="The same as an exact number of masks.",
    ),
)

seed_option: Decorator = click.option(
    "--seed", type=click.IntRange(min=0), metavar="S", help="Base seed of everything random."
)


set_option: Decorator = click.option(
    "--set",
    "settings",
    multiple=True,
    metavar="NAME=VALUE",
    help="Change one setting by its name in recipes, e.g. train.momentum=0.9. Repeatable.",
)

data_dir_option: Decorator = click.option(
    "--data-dir", metavar="DIR", help="Where data sets are looked for."
)

download_option: Decorator = click.option(
    "--download", is_flag=True, help="Download data sets that are not there."
)

device_option: Decorator = click.option(
    "--device",
    default="cpu",
    show_default=True,
    envvar="MASKSTAT_DEVICE",
    metavar="cpu|cuda|mps|auto",
    help="Where to train; runs of different devices differ in their last bits.",
)

scheduler_option: Decorator = click.option(
    "--scheduler",
    metavar="tcp://HOST:PORT",
    help="Run sweeps on the workers of a Dask scheduler, which share the folder --output.",
)

save_outputs_option: Decorator = click.option(
    "--save-outputs/--no-save-outputs",
    default=None,
    help="Store the logits on the test set.  [default: no]",
)

stored_dataset_option: Decorator = click.option(
    "--dataset",
    metavar="NAME",
    shell_complete=complete_datasets,
    help="Data set whose outputs are compared; needed only where several are stored.",
)


def fail_if_option(example: str) -> Decorator:
    """Add ``--fail-if``, with an example of a condition on the command's own columns."""
    return click.option(
        "--fail-if",
        multiple=True,
        metavar="'[LAYER:]COLUMN OP NUMBER'",
        help=f"End with status 1 if any row meets this, e.g. '{example}'. Repeatable.",
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


memory_options: Decorator = in_order(
    click.option(
        "--limit-memory",
        metavar="SIZE",
        callback=_bytes,
        help="Most memory for the buffers of the count, e.g. 500M or 2G; with many large "
        "masks it then takes longer.  [default: 256MiB]",
    ),
    click.option(
        "--threads",
        type=click.IntRange(min=1),
        metavar="N",
        help="How many count at once where masks are in memory and large; the result is the "
        "same.  [default: processor cores, at most 4]",
    ),
)
"""What counting may use."""

foreign_options: Decorator = in_order(
    click.option(
        "--from",
        "from_",
        metavar="FORMAT",
        expose_value=False,
        callback=_remember("from"),
        shell_complete=complete_formats_read,
        help="Format of files that are no archives, e.g. zeros for a dense checkpoint; "
        "told by their content if left out. See maskstat convert --help.",
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
        "--exclude",
        multiple=True,
        metavar="GLOB",
        expose_value=False,
        callback=_remember("exclude"),
        help="Of foreign files, leave out these tensors. Repeatable.",
    ),
)
"""How files that are no archives are read; `maskstat.cli.inputs.load` finds the values."""

sources_argument: Decorator = in_order(
    click.argument("sources", nargs=-1, required=True, metavar="FILE..."), foreign_options
)
"""``FILE...``: what a command works on."""
