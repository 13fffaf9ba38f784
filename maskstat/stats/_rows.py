"""Rows of outputs, read a tile at a time and checked."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from maskstat.errors import InputError, LayoutMismatchError

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Floats", "Rows", "same_examples", "same_shape", "tile", "tiles"]

Floats: TypeAlias = NDArray[np.float64]

TILE_BYTES = 1 << 22


class Rows(Protocol):
    """Outputs of shape (n, c) that can be sliced by rows: an array, a memmap, an HDF5 dataset."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Number of examples, number of outputs each."""
        ...

    def __getitem__(self, rows: slice, /) -> Any:
        """Give some rows as an array."""
        ...


def same_examples(x: Rows, y: Rows) -> tuple[int, int, int]:
    """Give the number of examples and of the outputs of either."""
    for outputs in (x, y):
        if len(outputs.shape) != 2 or not outputs.shape[1]:
            raise InputError(
                f"outputs of shape {tuple(outputs.shape)}",
                code="outputs-shape",
                consequence="they have to be examples by outputs",
            )
    if x.shape[0] != y.shape[0]:
        raise LayoutMismatchError(
            f"outputs on {x.shape[0]} and on {y.shape[0]} examples",
            code="shape-mismatch",
            consequence="only outputs on the same examples can be compared",
        )
    return x.shape[0], x.shape[1], y.shape[1]


def same_shape(x: Rows, y: Rows) -> tuple[int, int]:
    """Give the shape that both have."""
    n, p, q = same_examples(x, y)
    if p != q:
        raise LayoutMismatchError(
            f"{p} and {q} outputs an example",
            code="shape-mismatch",
            consequence="they do not name the same classes",
        )
    return n, p


def tiles(n: int, width: int) -> Iterator[slice]:
    """Cut n rows of `width` float64 into tiles of a few megabytes."""
    size = max(1, TILE_BYTES // (8 * width))
    return (slice(start, min(start + size, n)) for start in range(0, n, size))


def tile(outputs: Rows, rows: slice) -> Floats:
    """Read some rows in float64; every value is finite."""
    values = np.asarray(outputs[rows], dtype=np.float64)
    if not np.isfinite(values).all():
        raise InputError(
            "an output is infinite or not a number",
            code="not-finite",
            place=getattr(outputs, "place", ""),
            consequence="nothing can be computed from it",
            hint="look for the step at which training diverged",
        )
    return values
