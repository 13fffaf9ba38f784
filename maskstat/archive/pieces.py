"""How a dataset's values are cut into chunks: in C order, one piece after another."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from maskstat.archive import spec

__all__ = ["Pieces", "array_chunk", "cut_axis", "mask_chunk"]


def cut_axis(chunk: Sequence[int]) -> int:
    """Return the axis along which chunks cut: before it they are 1, after it full.

    Examples
    --------
    >>> cut_axis((1, 5, 7)), cut_axis((1, 1, 1))
    (1, 2)
    """
    return next((axis for axis, k in enumerate(chunk) if k > 1), len(chunk) - 1)


@dataclass(frozen=True, slots=True)
class Pieces:
    """The pieces that chunks cut the flat bytes of an array into.

    Parameters
    ----------
    shape, chunk
        The array's and the chunk's shape, 1 before one axis and full after it.
    itemsize
        Bytes of one value.

    Examples
    --------
    >>> pieces = Pieces((2, 5), (1, 3), 1)
    >>> [pieces.bounds(i) for i in range(len(pieces))]
    [(0, 3), (3, 5), (5, 8), (8, 10)]
    """

    shape: tuple[int, ...]
    chunk: tuple[int, ...]
    itemsize: int

    def __len__(self) -> int:
        """Return the number of pieces."""
        return math.prod(-(-n // k) for n, k in zip(self.shape, self.chunk, strict=True))

    @property
    def step(self) -> int:
        """Bytes of one whole chunk."""
        return math.prod(self.chunk) * self.itemsize

    def bounds(self, piece: int) -> tuple[int, int]:
        """Return the flat bytes that a piece holds; the last of a row may be short."""
        block, step, number = self._block
        row, index = divmod(piece, number)
        start = row * block + index * step
        return start, min(start + step, (row + 1) * block)

    def locate(self, position: int) -> int:
        """Return the piece that holds one flat byte."""
        block, step, number = self._block
        row, rest = divmod(position, block)
        return row * number + rest // step

    def position(self, piece: int) -> tuple[int, ...]:
        """Return where in the array a piece begins."""
        indices: list[int] = []
        for n, k in zip(reversed(self.shape), reversed(self.chunk), strict=True):
            piece, index = divmod(piece, -(-n // k))
            indices.append(index * k)
        return tuple(reversed(indices))

    @property
    def _block(self) -> tuple[int, int, int]:
        """Bytes from one index before the cut axis to the next, of a chunk, chunks in between."""
        axis = cut_axis(self.chunk)
        inner = math.prod(self.shape[axis + 1 :]) * self.itemsize
        n, k = self.shape[axis], self.chunk[axis]
        return n * inner, k * inner, -(-n // k)


def mask_chunk(n_rows: int, row_bytes: int) -> tuple[int, int]:
    """Choose chunks for packed masks.

    Short rows go up to 32 together, longer ones are cut evenly into up to 1 MiB, on word
    boundaries.

    Examples
    --------
    >>> mask_chunk(21, 7_480), mask_chunk(40, 7_480), mask_chunk(3, 7_000_000)
    ((21, 7480), (20, 7480), (1, 1000000))
    """
    if row_bytes < spec.SHORT_ROW:
        most = max(spec.ROWS_PER_CHUNK, spec.SHORT_ROW // row_bytes)
        return -(-n_rows // -(-n_rows // most)), row_bytes
    least = -(-row_bytes // spec.CHUNK_TARGET)
    for number in range(least, row_bytes // spec.CHUNK_MINIMUM + 1):
        if row_bytes % (8 * number) == 0:
            return 1, row_bytes // number
    return 1, 8 * -(-row_bytes // (8 * least))


def array_chunk(shape: Sequence[int], itemsize: int) -> tuple[int, ...]:
    """Choose chunks of up to 1 MiB for any other array, all of one size as far as it goes.

    Examples
    --------
    >>> array_chunk((21, 5), 8), array_chunk((2, 1_000_000), 4)
    ((21, 5), (1, 250000))
    """
    axis, inner = 0, math.prod(shape[1:]) * itemsize
    while inner > spec.CHUNK_TARGET:
        axis += 1
        inner //= shape[axis]
    number = -(-shape[axis] // (spec.CHUNK_TARGET // inner))
    return (*([1] * axis), -(-shape[axis] // number), *shape[axis + 1 :])
