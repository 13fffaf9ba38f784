"""What a foreign file holds, in the one shape that every format's reader returns."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from maskstat.bits import BoolArray
from maskstat.errors import InputError

__all__ = ["Blocks", "Found", "Level", "TensorMask"]

Blocks: TypeAlias = Callable[[], Iterator[BoolArray]]
"""Opens a pass over a tensor's mask: one-dimensional pieces in C order, of a few MB each."""

_BLOCK = 1 << 22


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class TensorMask:
    """The mask of one tensor.

    Parameters
    ----------
    name
        The layer's name, prefixes of wrappers taken off.
    shape
        The tensor's.
    blocks
        Its mask piece by piece, so that no more than a piece is in memory.
    """

    name: str
    shape: tuple[int, ...]
    blocks: Blocks

    @classmethod
    def from_array(cls, name: str, array: NDArray[Any], *, place: str = "") -> TensorMask:
        """Take an array of zeros and ones, of any number type.

        Raises
        ------
        InputError
            It holds something else.
        """
        flat = np.ascontiguousarray(array).reshape(-1)
        if flat.dtype != np.bool_:
            for start in range(0, flat.size, _BLOCK):
                piece = flat[start : start + _BLOCK]
                if not ((piece == 0) | (piece == 1)).all():
                    raise InputError(
                        f"'{name}' holds other values than 0 and 1",
                        code="not-binary",
                        place=place,
                        consequence="a mask says kept or pruned, nothing between",
                        hint="--from zeros, if these are weights",
                    )

        def blocks() -> Iterator[BoolArray]:
            for start in range(0, flat.size, _BLOCK):
                yield flat[start : start + _BLOCK] != 0

        return cls(name=name, shape=tuple(array.shape), blocks=blocks)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Level:
    """One pruning level: masks, and what came with them.

    Parameters
    ----------
    masks
        In network order where the format tells, else in the file's.
    weights
        ``initial``, ``rewind``, ``final``: float32 values by the name of a masked tensor.
    others
        ``initial``, ``final``: float32 values by the name of a tensor without a mask.
    series
        Measured values by name, e.g. ``test_accuracy``.
    """

    masks: Sequence[TensorMask]
    weights: Mapping[str, Mapping[str, NDArray[np.float32]]] = field(default_factory=dict)
    others: Mapping[str, Mapping[str, NDArray[np.float32]]] = field(default_factory=dict)
    series: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Found:
    """Everything that a foreign file, or folder, said about masks.

    Parameters
    ----------
    format
        The format's name, as ``--from`` takes it.
    levels
        In the order of pruning. A first level that keeps everything becomes iteration 0; otherwise
        a dense one is put before it.
    order
        ``oi``: output channels first, as torch has them; ``io``: input first, as keras and jax.
    unmatched
        Names in the file that were not understood or have no mask; listed, never skipped silently.
    notes
        What a reader of the result should know, in words.
    model, dataset, method
        Where the format tells.
    """

    format: str
    levels: Sequence[Level]
    order: Literal["oi", "io"] = "oi"
    unmatched: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    model: str = ""
    dataset: str = ""
    method: str = ""
