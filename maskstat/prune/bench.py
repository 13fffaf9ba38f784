"""Bench: trains tickets, those that are alike side by side."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from maskstat.errors import InputError, LayoutMismatchError
from maskstat.prune.data.parts import Split, split
from maskstat.prune.engines.engine import Engine, Replica
from maskstat.prune.network import Network
from maskstat.prune.progress import Progress
from maskstat.prune.recipe import Recipe
from maskstat.prune.tickets import Ticket
from maskstat.prune.training import Training, record
from maskstat.prune.workshop import Workshop
from maskstat.run import Run

__all__ = ["Bench", "fitted"]


def fitted(recipe: Recipe, ticket: Ticket, workshop: Workshop) -> Recipe:
    """State the size of a ticket's input in a recipe for it, once the task is seen to fit.

    Raises
    ------
    InputError
        The task has another number of classes than the network.
    """
    dataset = workshop.dataset(recipe.dataset)
    if ticket.classes is not None and dataset.classes != ticket.classes:
        raise InputError(
            f"{recipe.dataset} has {dataset.classes} classes, and the ticket's network tells "
            f"{ticket.classes} apart",
            code="other-classes",
            place=ticket.run.label,
            consequence="its last layer does not fit the task",
            hint="a --dataset with as many classes",
        )
    shape = workshop.input_shape(recipe)
    return recipe.replace(input="x".join(map(str, shape)))


class Bench:
    """Where trainings are done: task by task, as many side by side as the engine takes best.

    Parameters
    ----------
    trainings
        What is to be done.
    surroundings
        ``data_dir``, ``download``, ``device``, as `Workshop` takes them.
    progress
        Told what happens; an iteration is a training.

    Raises
    ------
    LayoutMismatchError
        The network that a recipe names is not the ticket's.
    UsageError
        A network or engine cannot be had.
    """

    def __init__(
        self,
        trainings: Sequence[Training],
        *,
        surroundings: Mapping[str, Any],
        progress: Progress,
    ) -> None:
        self._surroundings, self._progress = surroundings, progress
        self._total, self._done = len(trainings), 0
        self._tools: dict[object, tuple[Network, Engine]] = {}
        groups: dict[object, list[Training]] = {}
        workshop = Workshop(**surroundings)
        for training in trainings:
            groups.setdefault(training.alike, []).append(training)
            if training.network not in self._tools:
                network = _network(training, workshop)
                self._tools[training.network] = (
                    network,
                    workshop.engine(training.recipe, network),
                )
        self._tasks: dict[str, list[list[Training]]] = {}
        for group in groups.values():
            group.sort(key=lambda training: training.recipe.seed)  # few splits at a time
            self._tasks.setdefault(group[0].recipe.dataset, []).append(group)

    def work(self) -> Iterator[list[Run]]:
        """Train everything, and yield the runs pack by pack."""
        self._progress.start(
            run_id="retrain",
            iterations=self._total,
            epochs=max(group[0].epochs for task in self._tasks.values() for group in task),
            done=0,
        )
        for task, groups in self._tasks.items():
            workshop = Workshop(**self._surroundings)  # one a task: its data go with it
            for note in workshop.dataset(task).notes:
                self._progress.note(note)
            for group in groups:
                network, engine = self._tools[group[0].network]
                splits: dict[int, Split] = {}
                for start in range(0, len(group), engine.pack):
                    pack = group[start : start + engine.pack]
                    splits = _splits(pack, workshop, splits)
                    replicas = [one.replica(splits[one.recipe.seed]) for one in pack]
                    yield self._train(pack, replicas, network, engine, workshop)

    def _train(
        self,
        pack: Sequence[Training],
        replicas: Sequence[Replica],
        network: Network,
        engine: Engine,
        workshop: Workshop,
    ) -> list[Run]:
        """Train side by side, and tell."""
        settings = pack[0].descent
        if not self._done and settings.epochs:
            seconds = engine.seconds_per_epoch(replicas, settings=settings) / len(pack)
            self._progress.estimate(seconds=seconds * settings.epochs * self._total)

        def on_epoch(place: int, epoch: int, train_loss: float, validation_loss: float) -> None:
            self._progress.epoch(
                iteration=self._done + place,
                epoch=epoch,
                train_loss=train_loss,
                validation_loss=validation_loss,
            )

        began = time.perf_counter()
        results = engine.train(replicas, settings=settings, on_epoch=on_epoch)
        seconds = (time.perf_counter() - began) / len(pack)
        runs = [
            record(
                training,
                replica,
                result,
                network=network,
                dataset=workshop.dataset(training.recipe.dataset),
                engine=engine.name,
                device=workshop.device,
                seconds=seconds,
            )
            for training, replica, result in zip(pack, replicas, results, strict=True)
        ]
        self._done += len(runs)
        for run in runs:
            reached = (
                f"accuracy {run.series['test_accuracy'][1]:.4f} test"
                if run.status == "complete"
                else str(run.provenance["failure"]["message"])
            )
            self._progress.note(f"{run.run_id}: {reached}")
        return runs


def _splits(
    pack: Sequence[Training], workshop: Workshop, held: Mapping[int, Split]
) -> dict[int, Split]:
    """Return the splits of a pack's seeds, those that are held and new ones, and no others."""
    splits: dict[int, Split] = {}
    for recipe in (training.recipe for training in pack):
        if recipe.seed not in splits:
            splits[recipe.seed] = held.get(recipe.seed) or split(
                workshop.dataset(recipe.dataset),
                generator=recipe.streams.generator("split"),
                shape=workshop.input_shape(recipe),
                validation=recipe.validation,
                normalize=recipe.normalize,
                augment=recipe.augment,
            )
    return splits


def _network(training: Training, workshop: Workshop) -> Network:
    """Build the network of a training, its layers those of the ticket."""
    recipe, ticket = training.recipe.replace(exclude=(), keep_output=False), training.ticket
    layout = ticket.run.layout
    network, _ = workshop.network(recipe)
    left_out = tuple(name for name in network.layout.names if name not in layout.names)
    if left_out and set(layout.names) < set(network.layout.names):
        network, _ = workshop.network(recipe.replace(exclude=left_out))
    where = f"'{recipe.model}' for {recipe.input}"
    try:
        network.layout.require_same(layout, place=where, other_place=ticket.run.label)
    except LayoutMismatchError as error:
        error.consequence = "the ticket is of another network"
        error.hint = "--model, or --set data.input=CxHxW"
        raise
    if network.layout.others != layout.others:
        raise LayoutMismatchError(
            f"its biases and statistics are not those of {where}",
            code="layout-mismatch",
            place=ticket.run.label,
            consequence="the ticket is of another network",
            hint="--model, or --set data.input=CxHxW",
        )
    return network
