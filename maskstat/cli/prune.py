"""``maskstat prune``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from maskstat.cli.environment import from_environment
from maskstat.cli.names import (
    MODELS,
    complete_criteria,
    complete_datasets,
    complete_methods,
    complete_models,
    complete_recipes,
    complete_streams,
)
from maskstat.cli.options import (
    data_dir_option,
    device_option,
    download_option,
    overwrite_option,
    quiet_option,
    save_outputs_option,
    scheduler_option,
    seed_option,
    set_option,
)
from maskstat.cli.progress import watching
from maskstat.cli.sweeping import list_runs, require_sweep, sweep
from maskstat.errors import UsageError
from maskstat.prune import Recipe, prune
from maskstat.prune.grid import Grid
from maskstat.prune.recipe import parsed
from maskstat.prune.recipe_files import recipe_file

__all__ = ["command"]


@click.command("prune")
@click.option(
    "-o",
    "--output",
    metavar="PATH",
    help="The run's archive, published after every iteration; for a sweep, the folder of all. "
    "Running again resumes.  [default: run.h5, runs]",
)
@click.option(
    "--recipe",
    metavar="NAME|FILE.toml",
    shell_complete=complete_recipes,
    help="Read settings from a TOML file, in which [grid] makes a sweep, or from a recipe that "
    "comes with maskstat; a wrong name lists them.",
)
@set_option
@click.option(
    "--list", "list_", is_flag=True, help="Print the names of the sweep's runs, and run nothing."
)
@click.option(
    "--jobs",
    type=click.IntRange(min=1),
    metavar="N",
    help="Processes that share a sweep's runs; with --scheduler, workers that it is cut for.  "
    "[default: 1, or the workers that are there]",
)
@click.option(
    "--shard",
    metavar="I/N",
    help="Run one of N disjoint shares of a sweep, which together are all of it.",
)
@scheduler_option
@click.option(
    "--model",
    metavar="NAME",
    shell_complete=complete_models,
    help=f"{', '.join(MODELS)}, or package.module:factory.  [default: lenet]",
)
@click.option(
    "--dataset",
    metavar="NAME",
    shell_complete=complete_datasets,
    help="digits (embedded), mnist, fashion-mnist, kmnist, emnist, cifar10, cifar100, svhn, a "
    "FILE.npz, or package.module:factory.  [default: digits]",
)
@data_dir_option
@download_option
@click.option("--input", metavar="CxHxW", help="Bring images to this size.  [default: the model's]")
@click.option("--augment", metavar="flip,crop", help="Flip and crop training images at random.")
@click.option(
    "--method",
    metavar="NAME",
    shell_complete=complete_methods,
    help="global-, l1- or random-unstructured; l1-, l2-, linf-, lneginf- or random-structured; "
    "layer-kind; one of an installed package; or package.module:Class.  "
    "[default: global-unstructured]",
)
@click.option(
    "--criterion",
    metavar="NAME",
    shell_complete=complete_criteria,
    help="What magnitude methods rank by: large-final, small-final, large-init, "
    "magnitude-increase, movement.  [default: large-final]",
)
@click.option(
    "--fraction",
    type=float,
    metavar="F",
    help="Share of the remaining weights pruned by each iteration.  [default: 0.2]",
)
@click.option("--iterations", type=int, metavar="N", help="Prunings.  [default: 15]")
@click.option(
    "--levels",
    metavar="L1,L2,...",
    help="Instead of both: shares of the original weights pruned after each iteration.",
)
@click.option("--dim", type=int, metavar="D", help="Channels of structured methods.  [default: 0]")
@click.option(
    "--rewind",
    metavar="initial|epoch:K|none|random",
    help="Weights after each pruning: initial (lottery ticket), as after K epochs (late "
    "resetting), none (finetune), or drawn anew.  [default: initial]",
)
@click.option("--exclude", multiple=True, metavar="GLOB", help="Layers never pruned. Repeatable.")
@click.option("--keep-output", is_flag=True, default=None, help="Never prune the last layer.")
@click.option("--epochs", type=int, metavar="N", help="Epochs of each training.  [default: 15]")
@click.option("--lr", type=float, metavar="X", help="Learning rate of SGD.  [default: 0.1]")
@click.option("--batch-size", type=int, metavar="N", help="Images a step.  [default: 32]")
@click.option(
    "--engine",
    metavar="auto|loop|ensemble",
    help="How networks are trained: one by one, or chains of layers side by side.  "
    "[default: loop; auto in sweeps]",
)
@device_option
@seed_option
@click.option(
    "--vary",
    metavar="STREAM,...",
    shell_complete=complete_streams,
    help="What differs between runs of one seed: init, split, order, augment, dropout, prune; "
    "nothing by default.",
)
@click.option(
    "--run", "replicate", type=int, metavar="R", help="Which of these runs.  [default: 0]"
)
@click.option(
    "--diverge-at",
    type=int,
    metavar="EPOCH",
    help="Share the varying order, augmentation and dropout before this epoch.  [default: 0]",
)
@click.option(
    "--save-weights",
    metavar="none|initial|last|all",
    help="Weights stored beside the masks.  [default: last]",
)
@save_outputs_option
@overwrite_option
@quiet_option
def command(
    output: str | None,
    recipe: str | None,
    settings: tuple[str, ...],
    list_: bool,
    jobs: int | None,
    shard: str | None,
    scheduler: str | None,
    overwrite: bool,
    data_dir: str | None,
    download: bool,
    device: str,
    **given: Any,
) -> None:
    """Train and prune a network, and store its masks.

    With no options: LeNet on the embedded handwritten digits, 15 times pruned by 20 % of what is
    left, globally by magnitude, rewound to the initial weights each time. The archive is written
    whole after every iteration; the same command continues an interrupted run, bit for bit, and
    leaves a complete one as it is.

    An option outranks the environment, where MASKSTAT_TRAIN_LR is the setting train.lr, and that
    outranks the recipe.

    Two runs of one seed are identical. To see what chance in training does, let a stream vary.

    A recipe with a table [grid], which gives some settings lists, is a sweep: an archive a run in
    the folder --output; runs that are there are skipped, and one that fails does not stop the
    others. What a run comes to depends neither on --jobs, --shard and --scheduler nor on where it
    was interrupted.

    Exit status: 4 if torch is missing or the output is another run's; 5 if a loss is not finite.

    \b
    Example:
      maskstat prune
      maskstat prune --seed 0 --vary order --run 1 -o a1.h5
      maskstat prune --model resnet18-cifar --dataset cifar10 --download --device auto
      maskstat prune --recipe replicates --jobs 2 -o runs/
      maskstat prune --recipe grid.toml --shard 1/4 -o runs/
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
    grid = Grid(base=Recipe(), axes={})
    if recipe:
        with recipe_file(recipe) as file:
            grid = Grid.from_toml(file)
    options = parsed(settings) | _changes(given)
    _require_one_schedule(options)
    grid = grid.replace(**_schedule(from_environment(_outranked(options))) | _schedule(options))
    surroundings: dict[str, Any] = {"data_dir": data_dir, "download": download, "device": device}
    require_sweep(grid, {"--jobs": jobs, "--shard": shard, "--scheduler": scheduler})
    if list_:
        list_runs(grid, shard)
    elif grid.axes:
        sweep(
            grid,
            Path(output or "runs"),
            shard=shard,
            jobs=jobs,
            scheduler=scheduler,
            overwrite=overwrite,
            surroundings=surroundings,
        )
    else:
        with watching(several=False) as watch:
            prune(
                grid.base,
                output=output or "run.h5",
                overwrite=overwrite,
                progress=watch(""),
                **surroundings,
            )


def _changes(given: dict[str, Any]) -> dict[str, Any]:
    """Turn the options that were given into settings."""
    changes = {name: value for name, value in given.items() if value not in (None, ())}
    for name in ("vary", "augment", "levels"):
        if name in changes:
            words = [word.strip() for word in changes[name].split(",") if word.strip()]
            changes[name] = tuple(map(_number, words) if name == "levels" else words)
    return changes


def _require_one_schedule(options: dict[str, Any]) -> None:
    """Raise if options say in two ways how much is pruned."""
    if "levels" in options and options.keys() & {"iterations", "fraction"}:
        raise UsageError(
            "it is given beside --iterations or --fraction",
            code="conflicting-options",
            place="--levels",
            consequence="levels say both how often and how much is pruned",
        )


def _schedule(changes: dict[str, Any]) -> dict[str, Any]:
    """Let a number of iterations or a fraction take the place of levels that stand below."""
    either = changes.keys() & {"iterations", "fraction"}
    return {"levels": (), **changes} if either and "levels" not in changes else changes


def _outranked(options: dict[str, Any]) -> set[str]:
    """Name the settings that the environment has no say in."""
    return {*_schedule(options), *(("iterations", "fraction") if "levels" in options else ())}


def _number(word: str) -> float:
    try:
        return float(word)
    except ValueError:
        raise UsageError(
            f"'{word}' is no number", code="bad-value", place="--levels", hint="--levels 0.5,0.8"
        ) from None
