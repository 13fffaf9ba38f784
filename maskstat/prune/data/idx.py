"""IDX, the format of MNIST's files: a magic number, a shape, unsigned bytes."""

from __future__ import annotations

import math
import struct

import numpy as np
from numpy.typing import NDArray

from maskstat.prune.data.checks import lie

__all__ = ["array_of", "declared_size"]

_UNSIGNED_BYTES = 0x800


def _shape(head: bytes, n_dims: int, place: str) -> tuple[int, ...]:
    """Return the shape that a header declares."""
    if len(head) < 4 * (n_dims + 1):
        raise lie(f"it has {len(head)} bytes, not even an IDX header", place=place)
    magic, *shape = struct.unpack_from(f">{n_dims + 1}I", head)
    expected = _UNSIGNED_BYTES + n_dims
    if magic != expected:
        raise lie(f"it begins with {magic:#010x} and not with {expected:#010x}", place=place)
    return tuple(shape)


def declared_size(head: bytes, *, n_dims: int, place: str) -> int:
    """Return the length in bytes that a file has by its header.

    Raises
    ------
    InputError
        It does not begin with a header for as many dimensions.
    """
    return 4 * (n_dims + 1) + math.prod(_shape(head, n_dims, place))


def array_of(data: bytes, *, n_dims: int, place: str) -> NDArray[np.uint8]:
    """Return the array in a file.

    Raises
    ------
    InputError
        The file is not as long as its header says.
    """
    shape, declared = (
        _shape(data, n_dims, place),
        declared_size(data, n_dims=n_dims, place=place),
    )
    if len(data) != declared:
        raise lie(
            f"it has {len(data):,} bytes and declares {declared:,}, "
            f"{' x '.join(map(str, shape))} and a header",
            place=place,
        )
    return np.frombuffer(data, np.uint8, offset=4 * (n_dims + 1)).reshape(shape)
