"""How a dataset's values are cut into chunks: in C order, one piece after another."""

from __future__ import annotations

import math
from collections.abc import Sequence

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


class Pieces:
    """The pieces that chunks cut the flat bytes of an array into.

    Parameters
    ----------
    shape, chunk
        The array's and the chunk's shape, 1 before one axis and full after it.
    itemsize
        Bytes of one value.

    Attributes
    ----------
    cuts_rows
        Whether rows are longer than a piece.
    number
        How many pieces there are.
    step
        Bytes of one whole chunk.

    Examples
    --------
    >>> pieces = Pieces((2, 5), (1, 3), 1)
    >>> [pieces.bounds(i) for i in range(pieces.number)]
    [(0, 3), (3, 5), (5, 8), (8, 10)]
    """

    __slots__ = ("_block", "_chunk", "_in_block", "_shape", "cuts_rows", "number", "step")

    def __init__(self, shape: Sequence[int], chunk: Sequence[int], itemsize: int) -> None:
        axis = cut_axis(chunk)
        inner = math.prod(shape[axis + 1 :]) * itemsize
        self._shape, self._chunk, self.cuts_rows = shape, chunk, axis > 0
        # A block is what lies behind one index before the cut axis.
        self._block = shape[axis] * inner
        self._in_block = -(-shape[axis] // chunk[axis])
        self.step = chunk[axis] * inner
        self.number = math.prod(-(-n // k) for n, k in zip(shape, chunk, strict=True))

    def bounds(self, piece: int) -> tuple[int, int]:
        """Return the flat bytes that a piece holds; the last of a block may be short."""
        block, index = divmod(piece, self._in_block)
        start = block * self._block + index * self.step
        return start, min(start + self.step, (block + 1) * self._block)

    def locate(self, position: int) -> int:
        """Return the piece that holds one flat byte."""
        block, rest = divmod(position, self._block)
        return block * self._in_block + rest // self.step

    def same_row(self, piece: int, other: int) -> bool:
        """Tell whether two pieces are parts of one row, where rows are longer than a piece.

        Examples
        --------
        >>> Pieces((2, 5), (1, 3), 1).same_row(0, 1), Pieces((5, 3), (2, 3), 1).same_row(0, 1)
        (True, False)
        """
        return self.cuts_rows and piece // self._in_block == other // self._in_block

    def position(self, piece: int) -> tuple[int, ...]:
        """Return where in the array a piece begins."""
        indices: list[int] = []
        for n, k in zip(reversed(self._shape), reversed(self._chunk), strict=True):
            piece, index = divmod(piece, -(-n // k))
            indices.append(index * k)
        return tuple(reversed(indices))


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
