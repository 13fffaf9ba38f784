"""``maskstat retrain``."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import click

from maskstat.cli.environment import from_environment
from maskstat.cli.inputs import load
from maskstat.cli.names import complete_datasets, complete_models
from maskstat.cli.options import (
    data_dir_option,
    device_option,
    download_option,
    format_option,
    iteration_option,
    overwrite_option,
    quiet_option,
    save_outputs_option,
    select_option,
    set_option,
)
from maskstat.cli.output import emit
from maskstat.cli.progress import watching
from maskstat.cli.report import report
from maskstat.errors import UsageError
from maskstat.prune.recipe import parsed
from maskstat.prune.retrain import SETTINGS, retrain

__all__ = ["command"]

SELDOM = ("model", "method", "size", "test_examples", "validation_accuracy")
"""Columns that a terminal's table leaves out."""

EXIT_FAILED = 5
MOST_SEEDS = 10_000


@click.command("retrain")
@click.argument("tickets", nargs=-1, required=True, metavar="TICKET...")
@click.option(
    "--dataset",
    "datasets",
    multiple=True,
    required=True,
    metavar="NAME",
    shell_complete=complete_datasets,
    help="A task: a data set, as maskstat prune names them. Repeatable.",
)
@click.option(
    "--random",
    is_flag=True,
    help="With each ticket also a random one: as many weights in every layer, the same start.",
)
@click.option(
    "--seed",
    "seeds",
    multiple=True,
    metavar="S|A-B",
    help="Training seeds: split, order, augmentation, random tickets. Repeatable.  "
    "[default: the ticket's]",
)
@click.option(
    "--epochs",
    type=click.IntRange(min=0),
    metavar="N",
    help="Epochs; 0 evaluates at initialization.  [default: as the ticket's run]",
)
@click.option("--lr", type=float, metavar="X", help="Learning rate of SGD.")
@click.option("--batch-size", type=int, metavar="N", help="Images a step.")
@click.option(
    "--model",
    metavar="NAME",
    shell_complete=complete_models,
    help="Network, where the ticket does not say it.",
)
@set_option
@iteration_option()
@select_option
@click.option(
    "--group-by",
    type=click.Choice(["ticket", "source"]),
    default="ticket",
    show_default=True,
    help="A row a ticket, or one for all tickets of a kind that were found on the same tasks.",
)
@data_dir_option
@download_option
@device_option
@click.option(
    "--save-weights",
    metavar="none|initial|last",
    help="Weights stored with each run; last are the initial and the trained.  [default: last]",
)
@save_outputs_option
@click.option(
    "-o",
    "--output",
    default="retrained",
    show_default=True,
    metavar="DIR|FILE.h5",
    help="An archive for each run in a folder, or one for all. Running again resumes.",
)
@overwrite_option
@format_option
@quiet_option
def command(
    tickets: tuple[str, ...],
    datasets: tuple[str, ...],
    seeds: tuple[str, ...],
    settings: tuple[str, ...],
    select: str | None,
    output: str,
    format_: str | None,
    lr: float | None,
    batch_size: int | None,
    model: str | None,
    save_weights: str | None,
    save_outputs: bool | None,
    epochs: int | None,
    **given: Any,
) -> None:
    """Train tickets from their initial weights on any tasks.

    A ticket is a mask with its initial weights: an archive that prune or consensus wrote. Each is
    trained on each task with each seed, as its own run was unless options say otherwise; every
    ticket of a seed sees the same data in the same order. Prints a row a ticket and task: mean
    test accuracy, and a band of one standard deviation, half up and half down (Paganini & Forde
    2020, Figure 6). Runs that are there and whole are not trained again. A training whose loss is
    not finite leaves its cell empty; the others go on, and the exit status is 5.

    \b
    Example:
      maskstat retrain a.h5 b.h5 ticket.h5 --dataset digits --random --seed 0-2
      maskstat retrain mnist.h5@2 --dataset mnist --dataset kmnist --epochs 0 -o initial/
    """
    if output == "-":
        raise UsageError(
            "it is standard output",
            code="bad-output",
            place="--output",
            consequence="the table is printed there",
            hint="-o retrained.h5",
        )
    named = {
        "lr": lr,
        "batch_size": batch_size,
        "model": model,
        "save_weights": save_weights,
        "save_outputs": save_outputs,
        "epochs": epochs,
        "seed": _seeds(seeds) if seeds else None,
    }
    options = _changes(settings)
    options |= {name: value for name, value in named.items() if value is not None}
    changes = from_environment(options, only=(*SETTINGS.values(), "epochs", "seed")) | options
    chosen = changes.pop("seed", None)
    with watching(several=False) as watch:
        result = retrain(
            load(tickets, select),
            datasets=datasets,
            seeds=chosen,
            output=output,
            progress=watch(""),
            **given,
            **changes,
        )
    failures = result.failures
    emit(result, format_=format_, hidden=SELDOM if failures else (*SELDOM, "failed"))
    for error in failures:
        report(error)
    if failures:
        click.get_current_context().exit(EXIT_FAILED)


def _changes(settings: Sequence[str]) -> dict[str, Any]:
    """Read ``--set``, of which only what decides a training is of use."""
    changes: dict[str, Any] = {}
    for given in settings:
        (name, value) = next(iter(parsed([given]).items()))
        key = given.partition("=")[0].strip()
        if key not in SETTINGS:
            raise UsageError(
                f"'{key}' decides nothing when a ticket is trained",
                code="unknown-setting",
                place="--set",
                consequence=f"there are: {', '.join(SETTINGS)}",
            )
        changes[name] = value
    return changes


def _seeds(texts: Sequence[str]) -> list[int]:
    """Read seeds and ranges of seeds."""
    seeds: list[int] = []
    for text in texts:
        match = re.fullmatch(r"(\d{1,19})(?:-(\d{1,19}))?", text, re.ASCII)
        first, last = (int(match[1]), int(match[2] or match[1])) if match else (1, 0)
        if not first <= last < first + MOST_SEEDS:
            raise UsageError(
                f"'{text}' is no seed",
                code="bad-value",
                place="--seed",
                consequence=f"it takes a number or a range A-B of at most {MOST_SEEDS:,}",
            )
        seeds.extend(range(first, last + 1))
    return seeds
