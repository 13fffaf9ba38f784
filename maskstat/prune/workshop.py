"""Workshop: builds what recipes ask for, and shares what several of them need."""

from __future__ import annotations

import os
from typing import Any

from torch import nn

from maskstat.prune.data.dataset import Dataset
from maskstat.prune.data.parts import Split, split
from maskstat.prune.data.registry import load
from maskstat.prune.engines.chain import chain_of
from maskstat.prune.engines.choose import engine_for
from maskstat.prune.engines.engine import Engine
from maskstat.prune.models.registry import build, input_shape
from maskstat.prune.network import Network, State
from maskstat.prune.progress import Progress
from maskstat.prune.provenance import provenance
from maskstat.prune.pruning import pruning_for
from maskstat.prune.recipe import Recipe
from maskstat.prune.record import Record
from maskstat.prune.session import resolve_device
from maskstat.prune.trace import Graph, UntraceableError, output_layer, trace
from maskstat.prune.trial import Publish, Trial

__all__ = ["Workshop"]


class Workshop:
    """Where networks, data and engines are made ready.

    Parameters
    ----------
    data_dir
        The folder that is searched for data sets; the user's cache folder by default.
    download
        Whether data sets that are missing may be downloaded into it.
    device
        ``cpu``, ``cuda``, ``mps``, or ``auto`` for the fastest there is.
    datasets
        Data sets that are loaded already, by name; those that are loaded now are added.

    Raises
    ------
    UsageError
        There is no such device.
    """

    def __init__(
        self,
        *,
        data_dir: str | os.PathLike[str] | None = None,
        download: bool = False,
        device: str = "cpu",
        datasets: dict[str, Dataset] | None = None,
    ) -> None:
        self.device = resolve_device(device)
        self._data_dir, self._download = data_dir, download
        self._datasets: dict[str, Dataset] = {} if datasets is None else datasets
        self._splits: dict[tuple[Any, ...], Split] = {}

    def dataset(self, name: str, *, progress: Progress | None = None) -> Dataset:
        """Load a data set, once."""
        if name not in self._datasets:
            self._datasets[name] = load(
                name,
                data_dir=self._data_dir,
                download=self._download,
                progress=progress.download if progress else None,
            )
        return self._datasets[name]

    def input_shape(self, recipe: Recipe) -> tuple[int, int, int]:
        """Return channels, height and width of what the recipe's network takes."""
        if recipe.input:
            channels, height, width = (int(size) for size in recipe.input.split("x"))
            return channels, height, width
        return input_shape(recipe.model, self.dataset(recipe.dataset).shape)

    def split(self, recipe: Recipe) -> Split:
        """Cut a recipe's data set into its parts, once for all recipes that cut it alike."""
        shape = self.input_shape(recipe)
        seed = recipe.streams.seed_of("split")
        how = (recipe.dataset, seed, shape, recipe.validation, recipe.normalize, recipe.augment)
        if how not in self._splits:
            self._splits[how] = split(
                self.dataset(recipe.dataset),
                generator=recipe.streams.generator("split"),
                shape=shape,
                validation=recipe.validation,
                normalize=recipe.normalize,
                augment=recipe.augment,
            )
        return self._splits[how]

    def network(self, recipe: Recipe) -> tuple[Network, tuple[str, ...]]:
        """Build a recipe's network with its initial weights, and what is to be said about it."""
        shape = self.input_shape(recipe)
        module = self._module(recipe, 0)
        network = Network(module, exclude=recipe.exclude)
        graph: Graph = ()
        notes: tuple[str, ...] = ()
        try:
            graph = trace(module, shape)
        except UntraceableError as error:
            notes = (f"the network's graph is not known: {error}",)
        if recipe.keep_output:
            output = output_layer(graph) or network.layout.layers[-1].name
            network = Network(module, exclude=[*recipe.exclude, output])
        network.with_graph(graph)
        return network, notes

    def _module(self, recipe: Recipe, iteration: int) -> nn.Module:
        return build(
            recipe.model,
            self.input_shape(recipe),
            self.dataset(recipe.dataset).classes,
            generator=recipe.streams.generator("init", iteration),
        )

    def engine(self, recipe: Recipe, network: Network) -> Engine:
        """Choose the engine that trains a network."""
        return engine_for(network, wanted=recipe.engine, device=self.device)

    def trial(
        self, recipe: Recipe, *, publish: Publish, progress: Progress
    ) -> tuple[Trial, Engine]:
        """Make a run ready to begin, and an engine for it and others of its architecture.

        Parameters
        ----------
        recipe
            What to run.
        publish, progress
            As `Trial` takes them.

        Returns
        -------
        Trial, Engine

        Raises
        ------
        UsageError
            The recipe names something that is not there, or asks for what cannot be done.
        """
        dataset = self.dataset(recipe.dataset, progress=progress)
        parts = self.split(recipe)
        network, warnings = self.network(recipe)
        pruning = pruning_for(recipe, network.layout)
        engine = self.engine(recipe, network)
        initial = network.state()
        origin = provenance(
            recipe,
            dataset=dataset,
            split=parts,
            network=network,
            initial=initial,
            engine=engine.name,
            device=self.device,
            warnings=(*warnings, *dataset.notes),
        )
        record = Record(
            recipe=recipe,
            layout=network.layout,
            initial=initial,
            labels=dataset.test_labels,
            provenance=origin,
        )
        unpruned = network.unpruned

        def redraw(iteration: int) -> State:
            return Network(self._module(recipe, iteration), exclude=unpruned).state()

        trial = Trial(
            record,
            split=parts,
            pruning=pruning,
            redraw=redraw,
            publish=publish,
            progress=progress,
        )
        for note in (*warnings, *dataset.notes, *_engine_notes(recipe, network, engine)):
            progress.note(note)
        return trial, engine


def _engine_notes(recipe: Recipe, network: Network, engine: Engine) -> list[str]:
    """Say why networks that could have been trained side by side are trained one by one."""
    reason = chain_of(network)
    if recipe.engine != "auto" or engine.name != "loop" or not isinstance(reason, str):
        return []
    return [f"it is trained alone (engine loop), since the ensemble can't train it: {reason}"]
