"""Method: a rule that scores weights or channels, and what it may look at."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, Literal, TypeAlias

from maskstat.bits import BoolArray
from maskstat.prune.criteria import Criterion, FloatArray, Scores, Size, large_final

__all__ = ["Method", "Scope", "TrainedLayer", "Uniform", "Unit"]

Scope: TypeAlias = Literal["layer", "kind", "network"]
Unit: TypeAlias = Literal["weight", "channel"]

Uniform: TypeAlias = Callable[[tuple[int, ...]], FloatArray]
"""Draws float32 in [0, 1) of a given shape."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class TrainedLayer:
    """What a method may look at to judge one layer.

    Parameters
    ----------
    name
        The layer's name.
    final, start : float32, the layer's shape
        Its weights after the last training, and as they were drawn at the start of the run (with
        ``rewind = random``, of that training).
    kept : bool, the layer's shape
        Which of them are kept so far.
    uniform
        Draws float32 in [0, 1) of a given shape, always the same for one seed, layer and iteration.
    criterion
        What magnitude methods compare.
    dim
        The dimension along which channels lie.
    """

    name: str
    final: FloatArray
    start: FloatArray
    kept: BoolArray
    uniform: Uniform
    criterion: Criterion = large_final
    dim: int = 0

    @property
    def n_channels(self) -> int:
        """How many channels there are along `dim`, pruned ones included."""
        return int(self.final.shape[self.dim])

    def worth(self, size: Size) -> Scores:
        """Judge by the criterion.

        Parameters
        ----------
        size
            Takes the place of |.| in the criterion's formula: `numpy.abs` for weights, a norm for
            channels.
        """
        return self.criterion(size, self.final, self.start)


class Method(ABC):
    """A rule that scores what competes; the lowest scores are pruned.

    Notes
    -----
    A method of one's own overrides `scores`, says with the class attributes what its scores are
    of, and is found by name once a package declares it as an entry point of the group
    ``maskstat.methods``.

    Examples
    --------
    >>> class Furthest(Method):
    ...     '''The weights that moved furthest go.'''
    ...
    ...     def scores(self, layer):
    ...         return -abs(layer.final - layer.start)
    """

    scope: ClassVar[Scope] = "layer"
    """What competes: each layer by itself; layers of one kind, convolutions with convolutions and
    linear layers with linear ones; or the whole network."""

    unit: ClassVar[Unit] = "weight"
    """What is scored, and goes as a whole."""

    by_criterion: ClassVar[bool] = False
    """Whether `scores` asks `TrainedLayer.worth`, so that the criterion has an effect."""

    @abstractmethod
    def scores(self, layer: TrainedLayer) -> Scores:
        """Score a layer.

        Parameters
        ----------
        layer
            The layer.

        Returns
        -------
        floating, the layer's shape, or (layer.n_channels,) where the unit is the channel
            The lowest go first; scores of what is pruned already are not looked at.
        """
