"""Pruning: one recipe's method, criterion and schedule over one network's layers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import prod
from typing import Any, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from maskstat.bits import BoolArray
from maskstat.errors import InputError, MaskstatError, UsageError, printable
from maskstat.layout import Layer, Layout
from maskstat.prune.criteria import (
    LARGE_FINAL,
    Criterion,
    FloatArray,
    Scores,
    criterion_named,
    large_final,
)
from maskstat.prune.imports import told
from maskstat.prune.methods import Method, TrainedLayer, Uniform, is_bundled, method_named
from maskstat.prune.recipe import Recipe
from maskstat.prune.schedule import FractionSchedule, LevelSchedule, Schedule
from maskstat.prune.select import prune_lowest
from maskstat.prune.streams import Streams

__all__ = ["Pruning", "pruning_for"]

_T = TypeVar("_T", bound=np.generic)


class _Contest(NamedTuple):
    """The layers whose weights or channels compete."""

    name: str
    layers: tuple[Layer, ...]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Pruning:
    """What makes the next mask.

    Parameters
    ----------
    method
        Scores weights or channels.
    layout
        The layers.
    schedule
        Says how many go; asked once for each set that competes.
    criterion
        What magnitude methods compare.
    dim
        The dimension along which structured methods see channels.
    """

    method: Method
    layout: Layout
    schedule: Schedule
    criterion: Criterion = large_final
    dim: int = 0

    def next_mask(
        self,
        *,
        final: FloatArray,
        start: FloatArray,
        kept: BoolArray,
        iteration: int,
        streams: Streams,
    ) -> BoolArray:
        """Prune once.

        Parameters
        ----------
        final, start : float32 (n_weights,)
            The weights after the last training, and as they were drawn (see `TrainedLayer`), in
            layout order.
        kept : bool (n_weights,)
            What that training kept; left as it is.
        iteration
            The iteration that the new mask belongs to, from 1.
        streams
            Random scores are drawn from (seed, layer's name, iteration), and nothing else.

        Returns
        -------
        bool (n_weights,)
            What is kept now.

        Raises
        ------
        InputError
            A score is not a number.
        UsageError
            A method from outside fails.
        """
        remaining = kept.copy()
        for contest in self._contests():
            layers = [
                TrainedLayer(
                    name=layer.name,
                    final=_shown(final, layer),
                    start=_shown(start, layer),
                    kept=_shown(kept, layer),
                    uniform=_uniform(streams, iteration, layer.name),
                    criterion=self.criterion,
                    dim=self.dim,
                )
                for layer in contest.layers
            ]
            alive = np.concatenate(
                [self._units(kept, layer).any(axis=(0, 2)) for layer in contest.layers]
            )
            count = self.schedule.count(
                iteration=iteration, size=alive.size, remaining=int(np.count_nonzero(alive))
            )
            try:
                left = prune_lowest(self._scores(layers, alive.size), alive, count)
            except InputError as error:
                error.place = error.place or contest.name
                raise
            at = 0
            for layer in contest.layers:
                units = self._units(remaining, layer)
                units &= left[None, at : at + units.shape[1], None]
                at += units.shape[1]
        return remaining

    def emptied(self, kept: BoolArray) -> tuple[str, ...]:
        """Name the layers that a mask, bool (n_weights,), leaves without a weight.

        Examples
        --------
        >>> layout = Layout.from_shapes({"fc1": (2, 2), "fc2": (1, 2)})
        >>> pruning = pruning_for(Recipe(), layout)
        >>> pruning.emptied(np.array([True, False, True, True, False, False]))
        ('fc2',)
        """
        return tuple(x.name for x in self.layout.layers if not _part(kept, x).any())

    def _contests(self) -> Iterator[_Contest]:
        """Divide the layers into sets that compete."""
        layers = self.layout.layers
        if self.method.scope == "network":
            yield _Contest("all layers", layers)
        elif self.method.scope == "kind":
            for kind in dict.fromkeys(_kind(layer) for layer in layers):
                yield _Contest(kind, tuple(x for x in layers if _kind(x) == kind))
        else:
            yield from (_Contest(layer.name, (layer,)) for layer in layers)

    def _units(self, kept: BoolArray, layer: Layer) -> BoolArray:
        """View a layer's mask with what is pruned as a whole along axis 1."""
        if self.method.unit == "weight":
            return _part(kept, layer).reshape(1, layer.size, 1)
        before, after = layer.shape[: self.dim], layer.shape[self.dim + 1 :]
        return _part(kept, layer).reshape(prod(before), layer.shape[self.dim], prod(after))

    def _scores(self, layers: list[TrainedLayer], size: int) -> Scores:
        """Score all that competes; one layer after another, so that one copy is enough."""
        if len(layers) == 1:
            return self._layer_scores(layers[0])
        pooled: Scores | None = None
        at = 0
        for layer in layers:
            scores = self._layer_scores(layer)
            if pooled is None:
                pooled = np.empty(size, scores.dtype)
            elif pooled.dtype != scores.dtype:  # of somebody's own method
                pooled = pooled.astype(np.result_type(pooled, scores))
            pooled[at : at + scores.size] = scores
            at += scores.size
        assert pooled is not None
        return pooled

    def _layer_scores(self, layer: TrainedLayer) -> Scores:
        """Ask the method, and check its answer."""
        try:
            with np.errstate(invalid="ignore"):  # what is not a number is found when it is ranked
                scores = np.asarray(self.method.scores(layer))
        except (MaskstatError, MemoryError):
            raise
        except Exception as error:
            if is_bundled(self.method):
                raise
            raise self._broken(layer, told(error)) from error
        shape = layer.final.shape if self.method.unit == "weight" else (layer.n_channels,)
        if scores.shape != shape or scores.dtype.kind not in "fiu":
            raise self._broken(
                layer, f"its scores are {scores.dtype} {scores.shape}, not floating {shape}"
            )
        return scores.reshape(-1)

    def _broken(self, layer: TrainedLayer, consequence: str) -> UsageError:
        made = type(self.method)
        return UsageError(
            f"pruning method {made.__module__}:{made.__qualname__} failed",
            code="bad-method",
            place=layer.name,
            consequence=consequence,
        )


def pruning_for(recipe: Recipe, layout: Layout) -> Pruning:
    """Make what a recipe asks for, and find out now what could not be done later.

    Parameters
    ----------
    recipe
        Its method, criterion, dim, and fraction or levels.
    layout
        The layers that may be pruned.

    Returns
    -------
    Pruning

    Raises
    ------
    UsageError
        There is no such method or criterion, a layer has no such dimension, or a setting would
        have no effect on the method.

    Examples
    --------
    >>> layout = Layout.from_shapes({"fc1": (3, 2), "fc2": (1, 4)})
    >>> weights = np.arange(1, 11, dtype=np.float32)
    >>> pruning_for(Recipe(method="l1-unstructured", fraction=0.5), layout).next_mask(
    ...     final=weights, start=weights, kept=weights > 0, iteration=1, streams=Streams(seed=0)
    ... ).astype(int)
    array([0, 0, 0, 1, 1, 1, 0, 0, 1, 1])
    """
    method = method_named(recipe.method)
    criterion = criterion_named(recipe.criterion)
    if recipe.criterion != LARGE_FINAL and not method.by_criterion:
        raise _no_effect(
            "criterion", recipe.criterion, recipe.method, "it does not compare magnitudes"
        )
    if method.unit == "channel":
        _require_dim(recipe.dim, layout)
    elif recipe.dim:
        raise _no_effect("dim", recipe.dim, recipe.method, "it prunes weights, not channels")
    return Pruning(
        method=method,
        layout=layout,
        schedule=(
            LevelSchedule(recipe.levels) if recipe.levels else FractionSchedule(recipe.fraction)
        ),
        criterion=criterion,
        dim=recipe.dim,
    )


def _require_dim(dim: int, layout: Layout) -> None:
    """Raise unless every layer has a dimension."""
    for layer in layout.layers:
        if dim >= len(layer.shape):
            raise UsageError(
                f"there is no dimension {dim} in layer {printable(layer.name)} {layer.shape}",
                code="no-such-dim",
                place="prune.dim",
                consequence="its channels cannot be told apart",
                hint=f"--dim 0 for output channels, 1 for input ones, or --exclude {layer.name}",
            )


def _no_effect(setting: str, value: Any, method: str, reason: str) -> UsageError:
    return UsageError(
        f"{value} has no effect on {printable(method)}",
        code="no-effect",
        place=f"prune.{setting}",
        consequence=reason,
        hint="leave it out, or choose another --method",
    )


def _part(flat: NDArray[_T], layer: Layer) -> NDArray[_T]:
    """View one layer's values in a flat vector, in its shape."""
    return flat[layer.weight_offset : layer.weight_offset + layer.size].reshape(layer.shape)


def _shown(flat: NDArray[_T], layer: Layer) -> NDArray[_T]:
    """View one layer's values so that a method from outside cannot change them."""
    part = _part(flat, layer)
    part.flags.writeable = False
    return part


def _kind(layer: Layer) -> str:
    return "convolutions" if len(layer.shape) > 2 else "linear layers"


def _uniform(streams: Streams, iteration: int, name: str) -> Uniform:
    """Make a layer's own source of random scores."""

    def uniform(shape: tuple[int, ...]) -> FloatArray:
        import torch

        generator = streams.generator("prune", iteration, part=name)
        drawn: FloatArray = torch.rand(
            shape, generator=generator, dtype=torch.float32, device="cpu"
        ).numpy()
        return drawn

    return uniform
