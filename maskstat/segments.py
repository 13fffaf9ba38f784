"""Sums over the layers that a tile of words lies in."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["Segments", "segments"]


class Segments(NamedTuple):
    """The parts of layers in one tile, one behind the other, none of them empty.

    Parameters
    ----------
    layers
        The layer of each: a slice where no layer between them is empty.
    starts : int64 (n_segments,)
        Where it begins in the tile.
    stop
        Where the last one ends: the length of the tile.
    """

    layers: slice | NDArray[np.int64]
    starts: NDArray[np.int64]
    stop: int

    def sums(self, counts: NDArray[np.uint8]) -> NDArray[np.uint32]:
        """Add up the counts of each segment, uint8 (..., stop) to uint32 (..., n_segments)."""
        if self.starts.size == 1:
            return np.add.reduce(counts, axis=-1, dtype=np.uint32, keepdims=True)
        return np.add.reduceat(counts, self.starts, axis=-1, dtype=np.uint32)

    def bounds(self) -> list[tuple[int, int]]:
        """Return where each segment begins and ends."""
        ends = [*self.starts[1:].tolist(), self.stop]
        return list(zip(self.starts.tolist(), ends, strict=True))


def segments(edges: NDArray[np.int64], start: int, stop: int) -> Segments:
    """Cut a tile at the edges of layers.

    Parameters
    ----------
    edges : int64 (n_layers + 1,)
        Word offsets at which layers begin and the last one ends.
    start, stop
        The words of the tile, inside the first and the last edge.

    Returns
    -------
    Segments

    Examples
    --------
    >>> cut = segments(np.array([0, 3, 3, 10]), 2, 8)
    >>> [int(layer) for layer in cut.layers], cut.bounds()
    ([0, 2], [(0, 1), (1, 6)])
    """
    first = bisect_right(edges, start) - 1
    last = bisect_left(edges, stop)
    starts = edges[first:last] - start
    starts[0] = 0
    if last - first == 1:
        return Segments(slice(first, last), starts, stop - start)
    filled = np.flatnonzero(np.diff(starts, append=stop - start))
    if filled.size == starts.size:
        return Segments(slice(first, last), starts, stop - start)
    return Segments(first + filled, starts[filled], stop - start)
