"""Pruning methods: what a weight's worth is, and which layers compete.

A method is a small class with one thing to override, `Method.scores`. Names and definitions are
those of Paganini & Forde (2020), section 3.1 and appendix H.2.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, ClassVar, TypeAlias

import numpy as np
from numpy.typing import NDArray

from maskstat.bits import BoolArray
from maskstat.errors import UsageError, closest
from maskstat.layout import Layout
from maskstat.prune.schedule import FractionSchedule
from maskstat.prune.select import prune_lowest

__all__ = [
    "METHODS",
    "GlobalUnstructured",
    "L1Unstructured",
    "Method",
    "RandomUnstructured",
    "TrainedLayer",
    "method_named",
    "next_mask",
]

Scores: TypeAlias = NDArray[np.floating[Any]]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class TrainedLayer:
    """What a method may look at to judge the weights of one layer.

    Parameters
    ----------
    name
        The layer's name.
    final, initial : float32, the layer's shape
        Its weights after and before training.
    kept : bool, the layer's shape
        Which of them are kept so far.
    uniform
        Draws float64 in [0, 1) of a given shape, always the same for one seed, layer and iteration.
    """

    name: str
    final: NDArray[np.float32]
    initial: NDArray[np.float32]
    kept: BoolArray
    uniform: Callable[[tuple[int, ...]], NDArray[np.float64]]


class Method(ABC):
    """A rule that scores weights; the lowest scores are pruned."""

    pooled: ClassVar[bool] = False
    """Whether all layers compete with each other; otherwise each is pruned by itself."""

    @abstractmethod
    def scores(self, layer: TrainedLayer) -> Scores:
        """Score every weight of a layer, in the layer's shape; the lowest go first."""


class GlobalUnstructured(Method):
    """The smallest weights of the whole network go."""

    pooled = True

    def scores(self, layer: TrainedLayer) -> Scores:
        """Score by magnitude."""
        return np.abs(layer.final)


class L1Unstructured(Method):
    """The smallest weights of each layer go."""

    def scores(self, layer: TrainedLayer) -> Scores:
        """Score by magnitude."""
        return np.abs(layer.final)


class RandomUnstructured(Method):
    """Any weights of each layer go."""

    def scores(self, layer: TrainedLayer) -> Scores:
        """Score by chance."""
        return layer.uniform(layer.final.shape)


METHODS: dict[str, type[Method]] = {
    "global-unstructured": GlobalUnstructured,
    "l1-unstructured": L1Unstructured,
    "random-unstructured": RandomUnstructured,
}


def method_named(name: str) -> Method:
    """Make a method from its name.

    Raises
    ------
    UsageError
        There is no such method.
    """
    if name not in METHODS:
        raise UsageError(
            f"there is no pruning method '{name}'",
            code="unknown-method",
            place="prune.method",
            consequence=closest(name, METHODS),
        )
    return METHODS[name]()


def next_mask(
    method: Method,
    layers: Iterable[TrainedLayer],
    layout: Layout,
    *,
    schedule: FractionSchedule,
    iteration: int,
) -> BoolArray:
    """Prune once.

    Parameters
    ----------
    method
        Scores the weights.
    layers
        The trained layers, in layout order.
    layout
        Their layout.
    schedule
        Says how many weights go; asked once for all layers if they compete, else for each.
    iteration
        The iteration that the new mask belongs to, from 1.

    Returns
    -------
    bool (n_weights,)
        What is kept, in layout order.
    """
    trained = list(layers)
    kept = np.concatenate([layer.kept.reshape(-1) for layer in trained])
    scores = np.concatenate([method.scores(layer).reshape(-1) for layer in trained])
    if method.pooled:
        groups = [slice(0, layout.size)]
    else:
        groups = [slice(x.weight_offset, x.weight_offset + x.size) for x in layout.layers]
    for group in groups:
        count = schedule.count(
            iteration=iteration,
            size=group.stop - group.start,
            remaining=int(np.count_nonzero(kept[group])),
        )
        kept[group] = prune_lowest(scores[group], kept[group], count)
    return kept
