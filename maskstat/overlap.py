"""What the masks of a stack share, row by row: by intersection, or by Hamming distance.

A stack is the same tile of several masks, uint64 (n_masks, n_words). Two kernels give the same
counts: NumPy's intersections, and SimSIMD's Hamming distances where it is installed (extra
``fast``), most pairs are wanted and segments are long enough for calls of their own.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from maskstat.segments import Segments

__all__ = ["Group", "Intersections", "find_cdist", "groups", "hamming_shared", "pays"]

WordArray: TypeAlias = NDArray[np.uint64]
Totals: TypeAlias = NDArray[np.integer[Any]]
CDist: TypeAlias = Callable[..., Any]

_LONG = 256  # words of a segment from which SimSIMD is faster


class Group(NamedTuple):
    """Pairs with one first mask.

    Parameters
    ----------
    first
        Row of that mask.
    seconds
        Rows of its partners; neighbours as a slice, which copies nothing.
    start
        Where its pairs begin in the order of all pairs.
    """

    first: int
    seconds: slice | list[int]
    start: int


def groups(pairs: NDArray[np.int64], *, most: int) -> list[Group]:
    """Gather the partners of each first mask.

    Parameters
    ----------
    pairs : int64 (n_pairs, 2)
        Rows, in ascending order.
    most
        Partners in a group; a mask with more of them has several groups.

    Returns
    -------
    list of Group

    Examples
    --------
    >>> pairs = np.array([[0, 1], [0, 2], [0, 3], [1, 1], [1, 3]])
    >>> [(group.first, group.seconds) for group in groups(pairs, most=2)]
    [(0, slice(1, 3, None)), (0, slice(3, 4, None)), (1, [1, 3])]
    """
    edges = [*np.flatnonzero(np.diff(pairs[:, 0], prepend=-1)).tolist(), len(pairs)]
    return [
        Group(int(pairs[at, 0]), _rows(pairs[at : min(at + most, stop), 1]), at)
        for start, stop in pairwise(edges)
        for at in range(start, stop, most)
    ]


def _rows(seconds: NDArray[np.int64]) -> slice | list[int]:
    if seconds.size == 1 or (np.diff(seconds) == 1).all():
        return slice(int(seconds[0]), int(seconds[-1]) + 1)
    return [int(second) for second in seconds]


class Intersections:
    """Counts intersections in buffers that are kept from tile to tile.

    Parameters
    ----------
    n_words
        Words of intersections in one call.
    """

    def __init__(self, n_words: int) -> None:
        self._both = np.empty(n_words, np.uint64)
        self._counts = np.empty(n_words, np.uint8)

    def shared(self, mask: WordArray, partners: WordArray, cut: Segments) -> Totals:
        """Return what a tile shares with each of its partners, (..., n_segments)."""
        both = self._both[: partners.size].reshape(partners.shape)
        counts = self._counts[: partners.size].reshape(partners.shape)
        np.bitwise_and(mask, partners, out=both)
        np.bitwise_count(both, out=counts)
        return cut.sums(counts)


def find_cdist() -> CDist | None:
    """Return SimSIMD's pairwise distances, if they are installed."""
    try:
        from simsimd import cdist
    except ImportError:
        return None
    found: CDist = cdist
    return found


def pays(cut: Segments) -> bool:
    """Tell whether segments are long enough for calls of their own."""
    return cut.stop >= _LONG * cut.starts.size


def hamming_shared(
    cdist: CDist, stack: WordArray, pairs: NDArray[np.int64], cut: Segments, totals: Totals
) -> None:
    """Add what pairs share to their totals, by |A and B| = (|A| + |B| - |A xor B|) / 2.

    Parameters
    ----------
    cdist
        From `find_cdist`. Its distances are float64, and those of a tile below 2**31: exact.
    stack : uint64 (n_masks, n_words)
        The tile.
    pairs : int64 (n_pairs, 2)
        Rows; most pairs there are, or this is no gain.
    cut
        The layers in the tile.
    totals : int64 (n_pairs, n_layers)
        Added to in place.
    """
    kept = cut.sums(np.bitwise_count(stack)).astype(np.int64)
    a, b = pairs.T
    apart = np.empty((len(pairs), len(kept[0])), np.int64)
    for segment, (lo, hi) in enumerate(cut.bounds()):
        part = stack[:, lo:hi].view(np.uint8)
        # Of one operand with itself, SimSIMD computes each distance once.
        apart[:, segment] = np.asarray(cdist(part, part, "hamming", dtype="bin8"))[a, b]
    totals[:, cut.layers] += (kept[a] + kept[b] - apart) >> 1
