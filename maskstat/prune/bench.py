"""Bench: trains tickets, those that are alike side by side."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from maskstat.errors import InputError, LayoutMismatchError
from maskstat.prune.engines.engine import Engine
from maskstat.prune.network import Network
from maskstat.prune.progress import Progress
from maskstat.prune.recipe import Recipe
from maskstat.prune.tickets import Ticket
from maskstat.prune.training import Training, record
from maskstat.prune.workshop import Workshop
from maskstat.run import Run

__all__ = ["fitted", "train_all"]


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


def train_all(
    trainings: Sequence[Training],
    *,
    surroundings: Mapping[str, Any],
    publish: Callable[[Sequence[Run]], None],
    progress: Progress,
) -> None:
    """Train, task by task, as many side by side as the engine takes best.

    Parameters
    ----------
    trainings
        What to train.
    surroundings
        ``data_dir``, ``download``, ``device``, as `Workshop` takes them.
    publish
        Called with the runs of each pack.
    progress
        Told what happens; an iteration is a training.
    """
    groups: dict[object, list[Training]] = {}
    for training in trainings:
        groups.setdefault(training.alike, []).append(training)
    tasks: dict[str, list[list[Training]]] = {}
    for group in groups.values():
        tasks.setdefault(group[0].recipe.dataset, []).append(group)
    bench = _Bench(progress, len(trainings))
    for alike in tasks.values():
        workshop = Workshop(**surroundings)  # one a task: its data go with it
        for note in workshop.dataset(alike[0][0].recipe.dataset).notes:
            progress.note(note)
        for group in alike:
            for runs in bench.work(group, workshop):
                publish(runs)


@dataclass(slots=True)
class _Bench:
    """Where trainings are done, one pack after the other.

    Parameters
    ----------
    progress
        Told what happens.
    total
        How many trainings there are.
    done
        How many of them are done.
    """

    progress: Progress
    total: int
    done: int = 0

    def work(self, group: Sequence[Training], workshop: Workshop) -> Iterator[list[Run]]:
        """Train what is alike, and yield the runs pack by pack."""
        network = _network(group[0], workshop)
        engine = workshop.engine(group[0].recipe, network)
        for start in range(0, len(group), engine.pack):
            yield self._train(group[start : start + engine.pack], network, engine, workshop)

    def _train(
        self, pack: Sequence[Training], network: Network, engine: Engine, workshop: Workshop
    ) -> list[Run]:
        replicas = [one.replica(workshop.split(one.recipe)) for one in pack]
        settings = pack[0].descent
        if not self.done and settings.epochs:
            seconds = engine.seconds_per_epoch(replicas, settings=settings) / len(pack)
            self.progress.estimate(seconds=seconds * settings.epochs * self.total)

        def on_epoch(place: int, epoch: int, train_loss: float, validation_loss: float) -> None:
            self.progress.epoch(
                iteration=self.done + place,
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
        self.done += len(runs)
        for run in runs:
            reached = (
                f"accuracy {run.series['test_accuracy'][1]:.4f} test"
                if run.status == "complete"
                else str(run.provenance["failure"]["message"])
            )
            self.progress.note(f"{run.run_id}: {reached}")
        return runs


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
