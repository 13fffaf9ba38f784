"""Kernels on packed bits: the arithmetic of masks, 64 weights a word.

A mask is a vector of little-endian 64-bit words in which every layer starts on a word boundary
and padding bits are 0, so counting needs no tail handling. Kernels read their masks tile by tile
from a `WordSource`, which may be an array or a file: none holds more than a few tiles. All counts
are int64; ratios are for the callers.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "TILE_WORDS",
    "WORD_BITS",
    "BoolArray",
    "IntArray",
    "WordArray",
    "WordSource",
    "Words",
    "count",
    "layer_counts",
    "pack",
    "pair_counts",
    "segment_counts",
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

_STACK_WORDS = 1 << 18
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

    def __init__(self, array: WordArray) -> None:
        self._array = array

    @property
    def n_words(self) -> int:
        """Length in 64-bit words."""
        return int(self._array.size)

    def words(self, start: int, stop: int) -> WordArray:
        """Return a view of words ``start`` to ``stop``."""
        return self._array[start:stop]


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


def tiles(n_words: int, tile_words: int = TILE_WORDS) -> Iterator[tuple[int, int]]:
    """Cut ``range(n_words)`` into consecutive ``(start, stop)`` ranges of `tile_words`."""
    for start in range(0, n_words, tile_words):
        yield start, min(start + tile_words, n_words)


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
        A tile, the same range of one or several masks; n at most 2**26.
    start
        Word offset of the tile in the mask.
    edges : int64 (n_layers + 1,)
        Word offsets at which layers begin and the last one ends.
    totals : int64 (..., n_layers)
        Added to in place.
    """
    stop = start + words.shape[-1]
    counts = np.bitwise_count(words)
    first = int(np.searchsorted(edges, start, side="right")) - 1
    last = int(np.searchsorted(edges, stop, side="left"))
    for layer in range(first, last):
        lo, hi = max(int(edges[layer]), start) - start, min(int(edges[layer + 1]), stop) - start
        totals[..., layer] += np.add.reduce(counts[..., lo:hi], axis=-1, dtype=np.uint32)


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
    sources: Sequence[WordSource], pairs: Sequence[tuple[int, int]], edges: IntArray
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

    Returns
    -------
    int64 (n_pairs, n_layers)

    Examples
    --------
    >>> a, b = (Words(np.array([w], np.uint64)) for w in (0b1101, 0b0111))
    >>> pair_counts([a, b], [(0, 1)], np.array([0, 1])).tolist()
    [[2]]
    """
    totals = np.zeros((len(pairs), edges.size - 1), np.int64)
    if not pairs:
        return totals
    used = sorted({index for pair in pairs for index in pair})
    row_of = {index: row for row, index in enumerate(used)}
    groups = _group_by_first([(row_of[a], row_of[b]) for a, b in pairs])
    n_words = sources[used[0]].n_words
    tile_words = max(1024, min(TILE_WORDS, _STACK_WORDS // len(used)))
    for start, stop in tiles(n_words, tile_words):
        rows = [sources[index].words(start, stop) for index in used]
        if len(pairs) == 1:
            segment_counts(rows[0] & rows[-1], start, edges, totals[0])
            continue
        stack = np.stack(rows)
        for first, seconds, positions in groups:
            partial = np.zeros((positions.size, edges.size - 1), np.int64)
            segment_counts(stack[first] & stack[seconds], start, edges, partial)
            totals[positions] += partial
    return totals


def _group_by_first(
    pairs: Sequence[tuple[int, int]],
) -> list[tuple[int, slice | list[int], NDArray[np.intp]]]:
    """Gather the partners of each first mask; a run of neighbours becomes a slice (no copy)."""
    grouped: dict[int, list[tuple[int, int]]] = {}
    for position, (first, second) in enumerate(pairs):
        grouped.setdefault(first, []).append((second, position))
    result: list[tuple[int, slice | list[int], NDArray[np.intp]]] = []
    for first, members in grouped.items():
        seconds = [second for second, _ in members]
        positions = np.array([position for _, position in members], np.intp)
        lo = seconds[0]
        contiguous = seconds == list(range(lo, lo + len(seconds)))
        result.append((first, slice(lo, lo + len(seconds)) if contiguous else seconds, positions))
    return result
