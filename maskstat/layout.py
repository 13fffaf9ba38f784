"""Layout: the ordered layers of a network, and where each one's bits and weights lie."""

from __future__ import annotations

import math
import operator
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from maskstat.bits import IntArray, word_count
from maskstat.errors import InputError, LayoutMismatchError, NotFoundError, closest, printable

__all__ = ["Layer", "Layout", "Parameter"]

_TOTAL = "total"
"""What tables call all layers together."""


class Layer(NamedTuple):
    """One prunable weight tensor and where its bits lie.

    Parameters
    ----------
    name
        The tensor's name in the state dict, e.g. ``fc1.weight``.
    shape
        Its shape, every dimension 1 or more.
    word_offset
        Where its first bit lies in the packed mask, in 64-bit words.
    weight_offset
        Where its first weight lies in a flat vector of all prunable weights.
    """

    name: str
    shape: tuple[int, ...]
    word_offset: int
    weight_offset: int

    @property
    def size(self) -> int:
        """Number of weights."""
        return math.prod(self.shape)

    @property
    def n_words(self) -> int:
        """Number of 64-bit words."""
        return word_count(self.size)


class Parameter(NamedTuple):
    """A tensor of the state dict that is never pruned: a bias, a BatchNorm statistic.

    Parameters
    ----------
    name
        Its name in the state dict.
    shape
        Its shape; ``()`` for a scalar.
    offset
        Where its first value lies in a flat vector of all such tensors.
    """

    name: str
    shape: tuple[int, ...]
    offset: int

    @property
    def size(self) -> int:
        """Number of values."""
        return math.prod(self.shape)


@dataclass(frozen=True, eq=False)
class Layout:
    """The ordered layers of a network. Two layouts are equal if their layers are.

    Parameters
    ----------
    layers
        Prunable layers in network order.
    others
        Everything else in the state dict.
    graph
        Operations between the layers, in topological order, where known.
    """

    layers: tuple[Layer, ...]
    others: tuple[Parameter, ...] = ()
    graph: tuple[Mapping[str, Any], ...] = ()

    @classmethod
    def from_shapes(
        cls,
        shapes: Mapping[str, Sequence[int]],
        *,
        others: Mapping[str, Sequence[int]] | None = None,
        graph: Iterable[Mapping[str, Any]] = (),
    ) -> Layout:
        """Lay out layers one after another, each on a word boundary.

        Parameters
        ----------
        shapes
            Layer name to shape, in network order.
        others
            Name to shape of what is never pruned.
        graph
            Operations between the layers.

        Returns
        -------
        Layout

        Raises
        ------
        InputError
            No layers, one without weights, or one called ``total``.

        Examples
        --------
        >>> layout = Layout.from_shapes({"fc1.weight": (3, 50), "fc2.weight": (2, 3)})
        >>> layout.n_words, layout.size
        (4, 156)
        """
        if not shapes:
            raise InputError(
                "there are no layers",
                code="no-layers",
                consequence="there is nothing to keep or prune",
            )
        layers: list[Layer] = []
        word_offset = weight_offset = 0
        for name, shape in shapes.items():
            layer = Layer(name, tuple(map(operator.index, shape)), word_offset, weight_offset)
            if not isinstance(name, str) or not name or min(layer.shape, default=1) < 1:
                raise InputError(
                    f"layer {name!r} has shape {layer.shape}",
                    code="empty-layer",
                    consequence="a layer needs a name, a text, and at least one weight",
                )
            if name == _TOTAL:
                raise InputError(
                    f"a layer is called '{_TOTAL}'",
                    code="reserved-name",
                    consequence="its rows could not be told from those of all layers together",
                    hint=f"another name; of a foreign file, --exclude {_TOTAL}",
                )
            layers.append(layer)
            word_offset += layer.n_words
            weight_offset += layer.size
        parameters: list[Parameter] = []
        offset = 0
        for name, shape in (others or {}).items():
            parameters.append(Parameter(name, tuple(map(operator.index, shape)), offset))
            offset += parameters[-1].size
        return cls(tuple(layers), tuple(parameters), tuple(graph))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Layout) and self.layers == other.layers

    def __hash__(self) -> int:
        return hash(self.layers)

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Layer names in order."""
        return tuple(layer.name for layer in self.layers)

    @cached_property
    def sizes(self) -> IntArray:
        """Weights a layer, int64 (n_layers,)."""
        return np.array([layer.size for layer in self.layers], np.int64)

    @cached_property
    def edges(self) -> IntArray:
        """Word offsets at which layers begin and the last one ends, int64 (n_layers + 1,)."""
        return np.array([*(layer.word_offset for layer in self.layers), self.n_words], np.int64)

    @cached_property
    def size(self) -> int:
        """Number of prunable weights."""
        last = self.layers[-1]
        return last.weight_offset + last.size

    @cached_property
    def n_words(self) -> int:
        """Length of a mask in 64-bit words."""
        last = self.layers[-1]
        return last.word_offset + last.n_words

    @property
    def n_others(self) -> int:
        """Number of values that are never pruned."""
        return self.others[-1].offset + self.others[-1].size if self.others else 0

    def index(self, name: str) -> int:
        """Return the position of a layer.

        Raises
        ------
        NotFoundError
            No layer has this name.
        """
        if name not in self.names:
            raise NotFoundError(
                f"there is no layer '{printable(str(name))}'",
                code="no-such-layer",
                consequence=closest(str(name), self.names),
            )
        return self.names.index(name)

    def select(self, patterns: str | Sequence[str]) -> list[int]:
        """Return the positions of the layers that a glob pattern, or any of several, names.

        A layer's own name always names it, whatever characters it has.

        Raises
        ------
        NotFoundError
            A pattern names no layer.

        Examples
        --------
        >>> Layout.from_shapes({"conv1": (1,), "conv2": (1,), "fc": (1,)}).select(["conv*"])
        [0, 1]
        """
        patterns = [patterns] if isinstance(patterns, str) else patterns
        for pattern in patterns:
            if not any(_is_named(name, pattern) for name in self.names):
                raise NotFoundError(
                    f"no layer is named '{printable(pattern)}'",
                    code="no-such-layer",
                    consequence=closest(pattern, self.names),
                )
        return [
            index
            for index, name in enumerate(self.names)
            if any(_is_named(name, pattern) for pattern in patterns)
        ]

    def require_same(self, other: Layout, *, place: str = "", other_place: str = "") -> None:
        """Raise unless `other` has the same layers, naming the first that differs.

        Raises
        ------
        LayoutMismatchError
        """
        if self == other:
            return
        mine = {layer.name: layer.shape for layer in self.layers}
        theirs = {layer.name: layer.shape for layer in other.layers}
        differ = [name for name in mine if name in theirs and mine[name] != theirs[name]]
        if differ:
            name = differ[0]
            fact = f"layer {printable(name)} is {theirs[name]} here and {mine[name]} in"
        else:
            missing = [n for n in mine if n not in theirs] or [n for n in theirs if n not in mine]
            fact = (
                f"layer {printable(missing[0])} is only in one of this and"
                if missing
                else "the layers are in another order than in"
            )
        raise LayoutMismatchError(
            f"{fact} {printable(place) or 'the first mask'}",
            code="layout-mismatch",
            place=other_place,
            consequence="masks over different layers cannot be compared",
        )


def _is_named(name: str, pattern: str) -> bool:
    return name == pattern or fnmatchcase(name, pattern)
