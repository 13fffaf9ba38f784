"""Bring tensors that are stored input channels first into torch's order."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from maskstat.bits import BoolArray
from maskstat.convert.found import Level, TensorMask
from maskstat.errors import InputError, printable

__all__ = ["output_first", "outputs_to_front"]

_LARGEST = 1 << 27
_PIECE = 1 << 20


def outputs_to_front(n_dims: int) -> tuple[int, ...]:
    """Return the order of axes that makes (..., in, out) to (out, in, ...).

    Examples
    --------
    >>> outputs_to_front(4), outputs_to_front(2), outputs_to_front(1)
    ((3, 2, 0, 1), (1, 0), (0,))
    """
    return tuple(reversed(range(max(n_dims - 2, 0), n_dims))) + tuple(range(n_dims - 2))


def output_first(level: Level) -> Level:
    """Transpose the masks and weights of a level whose tensors are stored (..., in, out)."""
    weights = {
        kind: {name: _transposed(array) for name, array in values.items()}
        for kind, values in level.weights.items()
    }
    return replace(level, masks=[_mask(mask) for mask in level.masks], weights=weights)


def _mask(mask: TensorMask) -> TensorMask:
    axes = outputs_to_front(len(mask.shape))
    size = math.prod(mask.shape)

    def blocks() -> Iterator[BoolArray]:
        if size > _LARGEST:
            raise InputError(
                f"'{printable(mask.name)}' has {size:,} weights, inputs first",
                code="too-large",
                consequence=f"{_LARGEST:,} are transposed at most",
            )
        flat, at = np.empty(size, np.bool_), 0
        for block in mask.blocks():
            # What is too long for its shape is passed on, to be refused there.
            part = block.reshape(-1)
            flat[at : at + part.size] = part[: size - at]
            at += part.size
        if at != size:
            yield np.empty(at, np.bool_)
            return
        whole = flat.reshape(mask.shape).transpose(axes)
        step = max(1, _PIECE * len(whole) // size) if size else 1
        for start in range(0, len(whole), step):
            yield whole[start : start + step].reshape(-1)

    shape = tuple(mask.shape[axis] for axis in axes)
    return mask if len(axes) < 2 else TensorMask(name=mask.name, shape=shape, blocks=blocks)


def _transposed(array: NDArray[np.float32]) -> NDArray[np.float32]:
    return array.transpose(outputs_to_front(array.ndim))
