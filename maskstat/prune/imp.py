"""Iterative magnitude pruning: train, test, record, prune, rewind, and again."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray

from maskstat.bits import BoolArray
from maskstat.errors import OutputExistsError, TrainingError
from maskstat.prune.data import Split, load, split
from maskstat.prune.methods import TrainedLayer, method_named, next_mask
from maskstat.prune.models import build
from maskstat.prune.network import Network, State
from maskstat.prune.progress import Progress
from maskstat.prune.provenance import Clock, provenance
from maskstat.prune.recipe import Recipe
from maskstat.prune.record import Record, Row, pack_mask
from maskstat.prune.schedule import FractionSchedule
from maskstat.prune.streams import Streams
from maskstat.prune.trace import UntraceableError, trace
from maskstat.prune.train import Settings, accuracy, logits, train
from maskstat.run import Run

__all__ = ["Publish", "iterate"]

Publish: TypeAlias = Callable[[Run], None]
"""Called with the whole run after every iteration."""


def iterate(recipe: Recipe, *, earlier: Run | None, publish: Publish, progress: Progress) -> Run:
    """Run a recipe to its end.

    Parameters
    ----------
    recipe
        What to run.
    earlier
        The same recipe's run as far as it came; None to begin.
    publish
        Called with the whole run, partial or complete, after every iteration, and with what is
        whole when training fails.
    progress
        Told what happens.

    Returns
    -------
    Run

    Raises
    ------
    TrainingError
        A loss is not finite.
    UsageError
        The recipe names something that is not there.
    OutputExistsError
        The earlier run was made with other versions or on another kind of processor, or lacks
        what its next iteration is made from.

    Notes
    -----
    Row t holds the mask after t prunings and what the network trained under it reached; row 0 is
    dense. Every draw is made from (recipe, t), so where a run was interrupted leaves no trace.
    """
    method = method_named(recipe.method)
    schedule = FractionSchedule(recipe.fraction)
    trial = _prepare(recipe)
    record, clock = trial.record, Clock.start()
    if earlier is not None:
        clock = _continue(record, earlier)
    progress.start(
        run_id=recipe.run_id,
        iterations=recipe.iterations + 1,
        epochs=recipe.epochs,
        done=len(record),
    )
    for iteration in range(len(record), recipe.iterations + 1):
        began = clock.read()
        if iteration == 0:
            kept, start = np.ones(record.layout.size, np.bool_), record.initial
        else:
            layers = _trained_layers(record, iteration, recipe.streams)
            kept = next_mask(method, layers, record.layout, schedule=schedule, iteration=iteration)
            start = record.initial if recipe.rewind == "initial" else record.state
        try:
            record.add(_train_row(trial, kept, start, iteration, progress))
        except TrainingError as error:
            _publish_failure(record, clock, iteration, error, publish)
            raise
        clock.seconds.append(clock.read() - began)
        finished = iteration == recipe.iterations
        run = record.run("complete" if finished else "partial", clock=clock.to_dict())
        publish(run)
        progress.iteration(
            iteration=iteration,
            kept=int(run.kept[-1].sum()),
            size=run.layout.size,
            validation_accuracy=float(run.series["validation_accuracy"][-1]),
            test_accuracy=float(run.series["test_accuracy"][-1]),
            seconds=clock.seconds[-1],
        )
    return record.run("complete", clock=clock.to_dict())


@dataclass(frozen=True, slots=True, kw_only=True)
class _Trial:
    """What stays the same while a recipe is run, and the record of it."""

    recipe: Recipe
    network: Network
    split: Split
    record: Record


def _prepare(recipe: Recipe) -> _Trial:
    """Load the data, build the network, and open the record."""
    streams = recipe.streams
    dataset = load(recipe.dataset)
    parts = split(dataset, generator=streams.generator("split"))
    module = build(
        recipe.model, dataset.shape, dataset.classes, generator=streams.generator("init")
    )
    network = Network(module, exclude=recipe.exclude)
    warnings: tuple[str, ...] = ()
    try:
        network.with_graph(trace(module, dataset.shape))
    except UntraceableError as error:
        warnings = (f"the network's graph is not known: {error}",)
    initial = network.state()
    origin = provenance(
        recipe, dataset=dataset, split=parts, network=network, initial=initial, warnings=warnings
    )
    record = Record(
        recipe=recipe,
        layout=network.layout,
        initial=initial,
        labels=dataset.test_labels,
        provenance=origin,
    )
    return _Trial(recipe=recipe, network=network, split=parts, record=record)


def _continue(record: Record, earlier: Run) -> Clock:
    """Take over an earlier run, if this program on this machine would have made it."""
    for part in ("environment", "dataset", "model"):
        there, here = earlier.provenance.get(part, {}), record.provenance[part]
        differing = [name for name in here if there.get(name) != here[name]]
        if differing:
            name = differing[0]
            raise OutputExistsError(
                f"the run was begun with another {part}: {name} was {there.get(name)} "
                f"and is {here[name]}",
                code="other-environment",
                place=earlier.place,
                consequence="its second half would not fit its first",
                hint="another --output, or --overwrite to begin again",
            )
    if earlier.series or earlier.n_iterations > 1:  # else the first training failed
        record.restore(earlier)
    return Clock.resume(earlier.clock)


def _train_row(
    trial: _Trial, kept: BoolArray, start: State, iteration: int, progress: Progress
) -> Row:
    """Train under a mask and measure what comes out."""
    recipe, network, parts = trial.recipe, trial.network, trial.split

    def on_epoch(epoch: int, train_loss: float, validation_loss: float) -> None:
        progress.epoch(
            iteration=iteration,
            epoch=epoch,
            train_loss=train_loss,
            validation_loss=validation_loss,
        )

    trained = train(
        network,
        start,
        kept,
        examples=parts.train,
        validation=parts.validation,
        settings=Settings(
            epochs=recipe.epochs,
            lr=recipe.lr,
            batch_size=recipe.batch_size,
            momentum=recipe.momentum,
            weight_decay=recipe.weight_decay,
        ),
        order=recipe.streams.generator("order", iteration),
        on_epoch=on_epoch,
    )
    tested = logits(network.module, parts.test)
    validated = logits(network.module, parts.validation)
    return Row(
        words=pack_mask(kept, network.layout),
        state=trained.state,
        train_loss=trained.train_loss,
        validation_loss=trained.validation_loss,
        validation_accuracy=accuracy(validated, parts.validation.labels),
        test_accuracy=accuracy(tested, parts.test.labels),
        logits=tested.numpy() if recipe.save_outputs else None,
    )


def _trained_layers(record: Record, iteration: int, streams: Streams) -> Iterator[TrainedLayer]:
    """Show each layer of the last row to a method."""
    kept = record.kept
    for layer in record.layout.layers:
        place = slice(layer.weight_offset, layer.weight_offset + layer.size)

        def uniform(shape: tuple[int, ...], name: str = layer.name) -> NDArray[np.float64]:
            generator = streams.generator("prune", iteration, part=name)
            drawn: NDArray[np.float64] = torch.rand(
                shape, generator=generator, dtype=torch.float64, device="cpu"
            ).numpy()
            return drawn

        yield TrainedLayer(
            name=layer.name,
            final=record.state.weights[place].reshape(layer.shape),
            initial=record.initial.weights[place].reshape(layer.shape),
            kept=kept[place].reshape(layer.shape),
            uniform=uniform,
        )


def _publish_failure(
    record: Record, clock: Clock, iteration: int, error: TrainingError, publish: Publish
) -> None:
    """Publish the iterations that are whole, and say in the error what became of the run."""
    reason = {"code": error.code, "iteration": iteration, "message": error.fact}
    publish(record.run("failed", clock=clock.to_dict(), failure=reason))
    error.place = f"{record.recipe.run_id}@{iteration}"
    whole = f"iterations 0 to {iteration - 1}" if iteration else "nothing but the dense mask"
    error.consequence = f"the run has failed and holds {whole}"
