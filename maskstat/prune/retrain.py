"""Retrain tickets: each from its initial weights, on each task, with each seed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import fields
from os import PathLike
from typing import TYPE_CHECKING, Any, TypeAlias

from maskstat.errors import UsageError, closest, printable
from maskstat.prune.progress import Progress, Silent
from maskstat.prune.recipe import Recipe
from maskstat.prune.retraining import GroupBy, Retraining, tabulate
from maskstat.run import Run
from maskstat.selection import parse_iterations

if TYPE_CHECKING:
    from maskstat.prune.tickets import Ticket
    from maskstat.prune.training import Training
    from maskstat.prune.workshop import Workshop

__all__ = ["SETTINGS", "Source", "retrain"]

Source: TypeAlias = Run | tuple[Run, int | None]
"""A run, or a run with the iteration that is the ticket."""

_USED = ("model", "data", "train", "save")

SETTINGS: dict[str, str] = {
    field.metadata["key"]: field.name
    for field in fields(Recipe)
    if field.metadata["key"].partition(".")[0] in _USED and field.name != "epochs"
}
"""Name in recipes to name in Python of the settings that a ticket is trained with."""

_NAMES = (*SETTINGS, "train.epochs")


def retrain(
    tickets: Run | Sequence[Source],
    *,
    datasets: str | Sequence[str],
    random: bool = False,
    seeds: int | Sequence[int] | None = None,
    epochs: int | None = None,
    iteration: str | int = "last",
    group_by: GroupBy = "ticket",
    output: str | PathLike[str] | None = None,
    overwrite: bool = False,
    data_dir: str | PathLike[str] | None = None,
    download: bool = False,
    device: str = "cpu",
    progress: Progress | None = None,
    **overrides: Any,
) -> Retraining:
    """Train tickets from their initial weights on tasks, or evaluate them untrained.

    Parameters
    ----------
    tickets
        Runs, or runs with an iteration; consensus tickets too. A ticket is the mask of an iteration
        with the run's initial weights.
    datasets
        The tasks. Their images are brought to the input of the ticket's network.
    random
        Whether each ticket is accompanied by a random one, with as many weights in every layer and
        the same initial weights, drawn from the training seed's ``prune`` stream.
    seeds
        What the split, the order of the data and augmentation follow from, the same for every
        ticket; by default the seed of the ticket's own run.
    epochs
        As in the ticket's recipe by default; 0 trains nothing.
    iteration
        ``last``, ``all``, a number or a range ``A-B``; an iteration that comes with a run
        outranks it.
    group_by
        What a row is over, as in `maskstat.prune.retraining.tabulate`.
    output
        Where the runs are stored: one archive if it ends in ``.h5``, else a folder of archives.
        Those that are there and whole are not trained again.
    overwrite
        Replace whatever is there and begin anew.
    data_dir, download, device
        As `maskstat.prune` takes them.
    progress
        Told what happens; by default nobody is.
    **overrides
        Settings that differ from those of the tickets' recipes, e.g. ``lr=0.05``.

    Returns
    -------
    Retraining
        A row a ticket and task. A training whose loss is not finite is among its `failures`, and
        does not stop the others.

    Raises
    ------
    NotFoundError
        A ticket's initial weights are neither stored nor can be drawn again.
    InputError
        A task has another number of classes than the network.
    LayoutMismatchError
        The model's network is not that of the ticket.
    OutputExistsError
        Something else is at the output.
    UsageError, StorageError, MissingExtraError
        As `maskstat.prune` does.

    Notes
    -----
    Bespoke, consensus and random tickets on each task: Paganini & Forde (2020), section 4.2 and
    Figure 6; at initialization: appendix F and Figure 21.

    Examples
    --------
    >>> import maskstat
    >>> run = maskstat.prune(iterations=1, epochs=1)
    >>> table = maskstat.retrain(run, datasets="digits", epochs=1)
    >>> [(row["kind"], row["kept"], row["n"]) for row in table.rows()]
    [('bespoke', 15614, 1)]
    """
    from maskstat.prune.session import deterministic_torch, require_torch, resolve_device

    tasks = [datasets] if isinstance(datasets, str) else list(dict.fromkeys(datasets))
    sources = list(tickets) if isinstance(tickets, Iterable) else [tickets]
    chosen = None if seeds is None else [seeds] if isinstance(seeds, int) else list(seeds)
    _check(sources, tasks, chosen, epochs, overrides)
    watcher = progress or Silent()
    surroundings: dict[str, Any] = {"data_dir": data_dir, "download": download, "device": device}
    require_torch()
    from maskstat.prune.tickets import Ticket
    from maskstat.prune.workshop import Workshop

    with deterministic_torch(resolve_device(device)):
        found = [Ticket.of(run, t) for run, t in _iterations(sources, iteration)]
        trainings = _plan(
            _once(found, watcher),
            Workshop(**surroundings),
            tasks=tasks,
            random=random,
            seeds=chosen,
            epochs=epochs,
            overrides=overrides,
            progress=watcher,
        )
        runs = _run(trainings, surroundings, output, overwrite, watcher)
    return tabulate(runs, group_by=group_by)


def _check(
    tickets: Sequence[Source],
    tasks: Sequence[str],
    seeds: Sequence[int] | None,
    epochs: int | None,
    overrides: dict[str, Any],
) -> None:
    """Raise before anything heavy is loaded if what is asked cannot be."""
    for what, given in (("tickets", tickets), ("data sets", tasks), ("seeds", seeds)):
        if given is not None and not given:
            raise UsageError(f"there are no {what}", code="nothing-to-do", place="retrain")
    if epochs is not None and not 0 <= epochs <= 1_000_000:
        raise UsageError(
            f"it is {epochs}",
            code="bad-value",
            place="train.epochs",
            consequence="it takes a number from 0 to 1,000,000",
        )
    names = SETTINGS.values()
    for name in overrides:
        if name not in names:
            raise UsageError(
                f"'{printable(name)}' is no setting that a ticket is trained with",
                code="unknown-setting",
                place="retrain",
                consequence=closest(name, names, limit=len(names)),
            )


def _iterations(tickets: Iterable[Source], iteration: str | int) -> Iterable[tuple[Run, int]]:
    """Choose the iterations of each run."""
    for source in tickets:
        run, fixed = source if isinstance(source, tuple) else (source, None)
        if not isinstance(run, Run):
            raise UsageError(
                f"a ticket is of type {type(run).__name__}",
                code="not-a-run",
                place="retrain",
                consequence="it takes runs that store initial weights, or (run, iteration)",
            )
        place = run.label
        for t in (
            parse_iterations(str(iteration), run.n_iterations, place=place)
            if fixed is None
            else [fixed]
        ):
            yield run, t


def _once(tickets: Iterable[Ticket], progress: Progress) -> list[Ticket]:
    """Leave out tickets that are another in everything that matters."""
    found: dict[tuple[str, str], Ticket] = {}
    for ticket in tickets:
        first = found.setdefault((ticket.digest, ticket.kind), ticket)
        if first is not ticket:
            progress.note(f"left out: {ticket.label} is the same ticket as {first.label}")
    return list(found.values())


def _plan(
    tickets: Sequence[Ticket],
    workshop: Workshop,
    *,
    tasks: Sequence[str],
    random: bool,
    seeds: Sequence[int] | None,
    epochs: int | None,
    overrides: dict[str, Any],
    progress: Progress,
) -> list[Training]:
    """List all trainings, tickets first, each with its settings."""
    from maskstat.prune.bench import fitted
    from maskstat.prune.training import Training

    recipes = [_base(ticket, tickets, overrides, progress) for ticket in tickets]
    _tell_differences(tickets, recipes, progress)
    found: dict[str, Training] = {}
    for ticket, base in zip(tickets, recipes, strict=True):
        for task in tasks:
            recipe = fitted(base.replace(dataset=task), ticket, workshop)
            for seed in dict.fromkeys([ticket.seed] if seeds is None else seeds):
                for one in [ticket, *([ticket.random(seed)] if random else [])]:
                    training = Training(
                        ticket=one,
                        recipe=recipe.replace(seed=seed),
                        epochs=base.epochs if epochs is None else epochs,
                    )
                    if found.setdefault(training.run_id, training) is not training:
                        raise UsageError(
                            f"two trainings would be named '{training.run_id}'",
                            code="same-name",
                            place="retrain",
                            consequence="neither could be told from the other",
                            hint="one after the other",
                        )
    return list(found.values())


def _base(
    ticket: Ticket,
    tickets: Sequence[Ticket],
    overrides: dict[str, Any],
    progress: Progress,
) -> Recipe:
    """Settle how a ticket is trained, but for task and seed.

    As its own recipe says; without one, as its parents' do where they are among the tickets and
    agree; else by default.
    """
    own = ticket.recipe
    recipe = own or _parents_recipe(ticket, tickets)
    if recipe is None:
        recipe = Recipe()
        if ticket.run.model:
            recipe = recipe.replace(model=ticket.run.model)
        progress.note(
            f"{ticket.label}: how it is to be trained is not recorded; where no option says, by "
            f"default: {recipe.epochs} epochs, lr {recipe.lr:g}, batches of {recipe.batch_size}"
        )
    if ":" in recipe.model and "model" not in overrides:
        raise UsageError(
            f"its network is made by '{printable(recipe.model)}'",
            code="foreign-code",
            place=ticket.run.label,
            consequence="code that a file names is not run unless you name it",
            hint=f"--model {printable(recipe.model)}",
        )
    recipe = recipe.replace(
        vary=(), replicate=0, diverge_at=0, rewind="initial", exclude=(), keep_output=False
    ).replace(save_weights="last", save_outputs=False)
    if ticket.shape is not None:
        recipe = recipe.replace(input="x".join(map(str, ticket.shape)))
    return recipe.replace(**overrides)


def _parents_recipe(ticket: Ticket, tickets: Sequence[Ticket]) -> Recipe | None:
    """Return what the recipes of a consensus ticket's parents have in common."""
    parents = [one.recipe for one in tickets if one.run.digest in ticket.parents]
    recipes = [recipe for recipe in parents if recipe is not None]
    kept = [{name: recipe.settings[name] for name in _NAMES} for recipe in recipes]
    return recipes[0] if recipes and all(settings == kept[0] for settings in kept) else None


def _tell_differences(
    tickets: Sequence[Ticket], recipes: Sequence[Recipe], progress: Progress
) -> None:
    """Say it where tickets of one table are not trained alike."""
    for name in _NAMES:
        values = [recipe.settings[name] for recipe in recipes]
        for ticket, value in zip(tickets, values, strict=True):
            if value != values[0]:
                progress.note(
                    f"{name} is {values[0]} for {tickets[0].label} and {value} for {ticket.label}: "
                    "their rows differ in more than the ticket"
                )
                break


def _run(
    trainings: Sequence[Training],
    surroundings: dict[str, Any],
    output: str | PathLike[str] | None,
    overwrite: bool,
    progress: Progress,
) -> list[Run]:
    """Train what is not there, and return all runs in order."""
    from maskstat.prune.bench import Bench

    runs: dict[str, Run] = {}
    shelf = None
    if output is not None:
        from maskstat.prune.shelf import Shelf

        shelf = Shelf(output, overwrite=overwrite)
        for one in trainings:
            earlier = shelf.earlier(one.run_id, digest=one.digest, settings=one.settings)
            if earlier is not None:
                runs[one.run_id] = earlier
        if runs:
            progress.note(f"skipped: {len(runs)} of {len(trainings)} trainings are there")
    waiting = [one for one in trainings if one.run_id not in runs]
    if waiting:
        bench = Bench(waiting, surroundings=surroundings, progress=progress)
        if shelf is not None:
            shelf.prepare()
        for made in bench.work():
            if shelf is not None:
                shelf.put(made)
            else:
                runs.update({run.run_id: run for run in made})
    if shelf is not None:
        return [shelf.read(one.run_id) for one in trainings]
    return [runs[one.run_id] for one in trainings]
