"""``maskstat prune``."""

from __future__ import annotations

import sys
from contextlib import AbstractContextManager
from typing import Any

import click

from maskstat.cli.options import overwrite_option, quiet_option, seed_option
from maskstat.cli.progress import BarProgress, LineProgress
from maskstat.errors import UsageError
from maskstat.prune import Recipe, prune
from maskstat.prune.progress import Progress, Silent

__all__ = ["command"]


@click.command("prune")
@click.option(
    "-o",
    "--output",
    default="run.h5",
    show_default=True,
    metavar="PATH",
    help="The run's archive, published after every iteration. Running again resumes.",
)
@click.option("--recipe", metavar="FILE.toml", help="Read settings from a TOML file.")
@click.option(
    "--set",
    "settings",
    multiple=True,
    metavar="NAME=VALUE",
    help="Change one setting by its name in recipes, e.g. train.lr=0.05. Repeatable.",
)
@click.option("--model", metavar="NAME", help="Network.  [default: lenet]")
@click.option("--dataset", metavar="NAME", help="Task.  [default: digits, embedded]")
@click.option("--method", metavar="NAME", help="Pruning method.  [default: global-unstructured]")
@click.option(
    "--fraction",
    type=float,
    metavar="F",
    help="Share of the remaining weights pruned by each iteration.  [default: 0.2]",
)
@click.option("--iterations", type=int, metavar="N", help="Prunings.  [default: 15]")
@click.option(
    "--rewind",
    metavar="initial|none",
    help="Weights after each pruning: initial (lottery ticket) or none (finetune).",
)
@click.option("--exclude", multiple=True, metavar="GLOB", help="Layers never pruned. Repeatable.")
@click.option("--epochs", type=int, metavar="N", help="Epochs of each training.  [default: 15]")
@click.option("--lr", type=float, metavar="X", help="Learning rate of SGD.  [default: 0.1]")
@click.option("--batch-size", type=int, metavar="N", help="Images a step.  [default: 32]")
@seed_option
@click.option(
    "--vary",
    metavar="STREAMS",
    help="What differs between runs of one seed, e.g. order or order,init; nothing by default.",
)
@click.option(
    "--run", "replicate", type=int, metavar="R", help="Which of these runs.  [default: 0]"
)
@click.option(
    "--save-weights",
    metavar="none|initial|last|all",
    help="Weights stored beside the masks.  [default: last]",
)
@click.option(
    "--save-outputs/--no-save-outputs",
    default=None,
    help="Store the logits on the test set.  [default: no]",
)
@overwrite_option
@quiet_option
def command(
    output: str,
    recipe: str | None,
    settings: tuple[str, ...],
    overwrite: bool,
    quiet: bool,
    vary: str | None,
    exclude: tuple[str, ...],
    **given: Any,
) -> None:
    """Train and prune a network, and store its masks.

    With no options: LeNet on the embedded handwritten digits, 15 times pruned by 20 % of what is
    left, globally by magnitude, rewound to the initial weights each time. The archive is written
    whole after every iteration; the same command continues an interrupted run, bit for bit, and
    leaves a complete one as it is.

    Two runs of one seed are identical. To see what chance in training does, let a stream vary.

    \b
    Example:
      maskstat prune
      maskstat prune --seed 0 --vary order --run 1 -o a1.h5
      maskstat prune --recipe mine.toml --set train.lr=0.05 -o mine.h5
    """
    if output == "-":
        raise UsageError(
            "it is standard output",
            code="bad-output",
            place="--output",
            consequence="the archive is published after every iteration, which standard output "
            "cannot be",
            hint="-o run.h5",
        )
    base = Recipe.from_toml(recipe) if recipe else Recipe()
    changes = {name: value for name, value in given.items() if value is not None}
    if vary is not None:
        changes["vary"] = tuple(name.strip() for name in vary.split(",") if name.strip())
    if exclude:
        changes["exclude"] = exclude
    resolved = base.with_settings(settings).replace(**changes)
    with _progress(quiet) as progress:
        prune(resolved, output=output, overwrite=overwrite, progress=progress)


for _option in command.params:
    if isinstance(_option, click.Option) and _option.name == "quiet":
        _option.help = "Say nothing on standard error but errors."  # there are no results to print


def _progress(quiet: bool) -> AbstractContextManager[Progress]:
    """Choose bars on a terminal, lines elsewhere, nothing when quiet."""
    from contextlib import nullcontext

    if quiet:
        return nullcontext(Silent())
    return BarProgress() if sys.stderr.isatty() else nullcontext(LineProgress())
