"""Kernels on packed bits: the arithmetic of masks, 64 weights a word.

A mask is a vector of little-endian 64-bit words in which every layer starts on a word boundary
and padding bits are 0, so counting needs no tail handling. Kernels read their masks tile by tile
from a `WordSource`, which may be an array or a file: none holds more than a few tiles. All counts
are int64; ratios are for the callers.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from typing import Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from maskstat.overlap import Intersections, find_cdist, groups, hamming_shared, pays
from maskstat.segments import segments
from maskstat.threads import at_once, n_threads
from maskstat.tiling import PITCH, Tiling, pair_tiling

__all__ = [
    "TILE_WORDS",
    "WORD_BITS",
    "BoolArray",
    "IntArray",
    "WordArray",
    "WordSource",
    "Words",
    "check_whole",
    "count",
    "layer_counts",
    "pack",
    "pair_counts",
    "segment_counts",
    "sliceable",
    "tiles",
    "unpack",
    "word_count",
]

WordArray: TypeAlias = NDArray[np.uint64]
BoolArray: TypeAlias = NDArray[np.bool_]
IntArray: TypeAlias = NDArray[np.int64]

WORD_BITS = 64
TILE_WORDS = 65_536
"""512 KiB a tile: two operands and the counts stay in L2."""

_LITTLE = np.dtype("<u8")


class WordSource(Protocol):
    """Something that gives the words of one mask by range."""

    @property
    def n_words(self) -> int:
        """Length of the mask in 64-bit words."""
        ...

    def words(self, start: int, stop: int) -> WordArray:
        """Return words ``start`` to ``stop`` (exclusive), which the caller does not modify."""
        ...


class Words:
    """A mask's words held in memory.

    Parameters
    ----------
    array : uint64 (n_words,)
        Little-endian words; padding bits 0.
    """

    __slots__ = ("_array",)

    sliceable = True

    def __init__(self, array: WordArray) -> None:
        self._array = array

    @property
    def n_words(self) -> int:
        """Length in 64-bit words."""
        return int(self._array.size)

    def words(self, start: int, stop: int) -> WordArray:
        """Return a view of words ``start`` to ``stop``."""
        return self._array[start:stop]


def sliceable(source: WordSource) -> bool:
    """Tell whether several threads may read a mask in any order.

    A mask in memory says so by an attribute of this name. Others, files, are read from their
    first word to their last by one thread.
    """
    return bool(getattr(source, "sliceable", False))


def check_whole(source: WordSource) -> None:
    """Let a mask be checked of which not all words are going to be read.

    A mask in a file that is checked on the way from its first word to its last has a method
    ``check`` for that.
    """
    check = getattr(source, "check", None)
    if check is not None:
        check()


def word_count(n_bits: int) -> int:
    """Return how many 64-bit words hold `n_bits` bits."""
    return -(-n_bits // WORD_BITS)


def pack(bits: BoolArray) -> WordArray:
    """Pack booleans into words, least significant bit first, padding bits 0.

    Parameters
    ----------
    bits : bool, any shape
        Read in C order.

    Returns
    -------
    uint64 (ceil(bits.size / 64),)

    Examples
    --------
    >>> pack(np.array([True, False, True])).tolist()
    [5]
    """
    packed = np.packbits(bits.reshape(-1), bitorder="little")
    padded = np.zeros(word_count(bits.size) * 8, np.uint8)
    padded[: packed.size] = packed
    return padded.view(_LITTLE).astype(np.uint64, copy=False)


def unpack(words: WordArray, n_bits: int) -> BoolArray:
    """Unpack the first `n_bits` bits of `words`.

    Parameters
    ----------
    words : uint64 (n_words,)
    n_bits
        At most ``64 * n_words``.

    Returns
    -------
    bool (n_bits,)

    Examples
    --------
    >>> unpack(np.array([5], np.uint64), 3).tolist()
    [True, False, True]
    """
    octets = np.ascontiguousarray(words, _LITTLE).view(np.uint8)
    return np.unpackbits(octets, count=n_bits, bitorder="little").view(np.bool_)


def tiles(stop: int, tile_words: int = TILE_WORDS, *, start: int = 0) -> Iterator[tuple[int, int]]:
    """Cut ``range(start, stop)`` into consecutive ``(start, stop)`` ranges of `tile_words`."""
    for at in range(start, stop, tile_words):
        yield at, min(at + tile_words, stop)


def count(words: WordArray) -> int:
    """Count the set bits.

    Examples
    --------
    >>> count(np.array([5, 1 << 63], np.uint64))
    3
    """
    total = 0
    for start, stop in tiles(words.size):
        total += int(np.add.reduce(np.bitwise_count(words[start:stop]), dtype=np.uint32))
    return total


def segment_counts(words: WordArray, start: int, edges: IntArray, totals: IntArray) -> None:
    """Add the set bits of one tile to the totals of the layers it lies in.

    Parameters
    ----------
    words : uint64 (..., n)
        A tile, the same range of one or several masks; n below 2**26.
    start
        Word offset of the tile in the mask.
    edges : int64 (n_layers + 1,)
        Word offsets at which layers begin and the last one ends.
    totals : int64 (..., n_layers)
        Added to in place.
    """
    cut = segments(edges, start, start + words.shape[-1])
    totals[..., cut.layers] += cut.sums(np.bitwise_count(words))


def layer_counts(source: WordSource, edges: IntArray) -> IntArray:
    """Count the kept weights of every layer.

    Parameters
    ----------
    source
        The mask.
    edges : int64 (n_layers + 1,)
        Word offsets of the layers.

    Returns
    -------
    int64 (n_layers,)
    """
    totals = np.zeros(edges.size - 1, np.int64)
    for start, stop in tiles(source.n_words):
        segment_counts(source.words(start, stop), start, edges, totals)
    return totals


def pair_counts(
    sources: Sequence[WordSource],
    pairs: Sequence[tuple[int, int]],
    edges: IntArray,
    *,
    limit: int | None = None,
    threads: int | None = None,
) -> IntArray:
    """Count, layer by layer, the weights that both masks of each pair keep.

    Parameters
    ----------
    sources
        The masks, all over the same words.
    pairs
        Index pairs into `sources`; pairs that share their first mask are counted together.
    edges : int64 (n_layers + 1,)
        Word offsets of the layers.
    limit
        Most bytes of buffers; masks are read again where not all fit at once.
    threads
        How many count where the masks are in memory and large; by default as many as there are
        processor cores, at most four. The counts are the same.

    Returns
    -------
    int64 (n_pairs, n_layers)

    Raises
    ------
    UsageError
        The limit is too small.

    Examples
    --------
    >>> a, b = (Words(np.array([w], np.uint64)) for w in (0b1101, 0b0111))
    >>> pair_counts([a, b], [(0, 1)], np.array([0, 1])).tolist()
    [[2]]
    """
    totals = np.zeros((len(pairs), edges.size - 1), np.int64)
    n_words = int(edges[-1])
    if not len(pairs) or not n_words:
        return totals
    wanted = np.sort(np.array(pairs, np.int64).reshape(-1, 2), axis=1)
    used = np.unique(wanted)
    workers = n_threads(8 * n_words * used.size, asked=threads)
    if not all(sliceable(sources[index]) for index in used):
        workers = 1
    tiling = pair_tiling(used.size, limit=limit, threads=workers)
    parts = list(tiles(n_words, max(1, -(-n_words // tiling.threads))))
    if len(pairs) == 1:
        a, b = (sources[index] for index in pairs[0])
        count_part = partial(_pair_shared, a, b, edges, tiling)
        totals[0] = np.sum(at_once(count_part, parts), axis=0)
        return totals
    for chosen in _blocks(wanted, used, tiling.masks):
        rows, local = np.unique(wanted[chosen], return_inverse=True)
        masks = [sources[row] for row in rows]
        count_part = partial(_stack_shared, masks, local.reshape(-1, 2), edges, tiling)
        totals[chosen] = np.sum(at_once(count_part, parts), axis=0)
    return totals


def _pair_shared(
    a: WordSource, b: WordSource, edges: IntArray, tiling: Tiling, part: tuple[int, int]
) -> IntArray:
    """Count within a range of words what two masks share."""
    totals = np.zeros(edges.size - 1, np.int64)
    kernel = Intersections(min(tiling.words, part[1] - part[0]))
    for start, stop in tiles(part[1], tiling.words, start=part[0]):
        cut = segments(edges, start, stop)
        totals[cut.layers] += kernel.shared(a.words(start, stop), b.words(start, stop), cut)
    return totals


def _blocks(wanted: IntArray, used: IntArray, most: int) -> Iterator[NDArray[np.intp]]:
    """Yield positions of pairs, in ascending order of the pairs, that are over few masks."""
    order = np.lexsort(wanted.T[::-1])
    if used.size <= most:
        yield order
        return
    block = np.searchsorted(used, wanted[order]) // (most // 2)
    for corner in np.unique(block, axis=0):
        yield order[(block == corner).all(axis=1)]


def _stack_shared(
    masks: Sequence[WordSource],
    pairs: IntArray,
    edges: IntArray,
    tiling: Tiling,
    part: tuple[int, int],
) -> IntArray:
    """Count within a range of words what the masks of every pair share."""
    totals = np.zeros((len(pairs), edges.size - 1), np.int64)
    longest = min(tiling.words, part[1] - part[0])
    partners = max(1, tiling.partners * tiling.words // longest)
    members = groups(pairs, most=partners)
    kernel = Intersections(longest * min(partners, len(pairs)))
    nearly_all = len(masks) > 2 and 4 * len(pairs) > len(masks) * (len(masks) - 1)
    cdist = find_cdist() if nearly_all else None
    stack = np.empty((len(masks), longest + PITCH), np.uint64)
    for start, stop in tiles(part[1], tiling.words, start=part[0]):
        cut = segments(edges, start, stop)
        tile = stack[:, : stop - start]
        for row, mask in zip(tile, masks, strict=True):
            row[:] = mask.words(start, stop)
        if cdist is not None and pays(cut):
            hamming_shared(cdist, tile, pairs, cut, totals)
            continue
        for first, seconds, at in members:
            found = kernel.shared(tile[first], tile[seconds], cut)
            totals[at : at + len(found), cut.layers] += found
    return totals
