"""Votes: in how many of N masks each weight is kept.

Counters are bit-sliced: slice i of a tile holds bit i of every weight's number of votes, so a
carry-save adder counts 64 weights an operation and thresholds are comparisons of slices.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from maskstat.bits import (
    WORD_BITS,
    IntArray,
    WordArray,
    WordSource,
    sliceable,
    tiles,
    unpack,
)
from maskstat.segments import Segments, segments
from maskstat.threads import at_once, n_threads
from maskstat.tiling import vote_tiling

__all__ = ["Tally", "at_least", "bit_slices", "tally", "vote_counts", "vote_histogram"]

_TABLE_BITS = 5
_ONES = np.full(1, 0xFFFF_FFFF_FFFF_FFFF, np.uint64)


class Tally(NamedTuple):
    """What one pass over N masks finds.

    Parameters
    ----------
    histogram : int64 (n_layers, N + 1)
        Weights that exactly j of the masks keep; every row sums to the layer's size.
    ticket : uint64 (n_words,)
        Weights that enough masks keep; empty where none was asked for.
    """

    histogram: IntArray
    ticket: WordArray


def bit_slices(masks: Iterable[WordArray]) -> list[WordArray]:
    """Add masks position by position into bit-sliced counters, by carry-save adders.

    Parameters
    ----------
    masks : iterable of uint64 (n,)
        The same tile of each mask, taken one after another; at least one.

    Returns
    -------
    list of uint64 (n,)
        Slice i holds bit i of the number of masks that keep each weight.

    Notes
    -----
    Words of one weight wait until there are three of them, of which an adder makes one, and one
    of twice the weight.

    Examples
    --------
    >>> [s.tolist() for s in bit_slices(np.array([w], np.uint64) for w in (3, 1, 1))]
    [[3], [1]]
    """
    waiting: list[list[WordArray]] = [[]]
    for words in masks:
        waiting[0].append(words)
        level = 0
        while len(waiting[level]) == 3:
            _carry(waiting, level)
            level += 1
    level = 0
    while level < len(waiting):
        if len(waiting[level]) > 1:
            _carry(waiting, level)
        level += 1
    return [words for (words,) in waiting]


def _carry(waiting: list[list[WordArray]], level: int) -> None:
    """Add up the two or three words of a level into one and a carry to the next."""
    a, b, *last = waiting[level]
    own_a, own_b = (a, b) if level else (None, None)  # the lowest level holds the caller's words
    carry = a & b
    total = np.bitwise_xor(a, b, out=own_a)
    for c in last:
        carry |= np.bitwise_and(total, c, out=own_b)
        total ^= c
    if level + 1 == len(waiting):
        waiting.append([])
    waiting[level] = [total]
    waiting[level + 1].append(carry)


def at_least(slices: Sequence[WordArray], votes: int) -> WordArray:
    """Mark the weights whose bit-sliced count is `votes` or more.

    Parameters
    ----------
    slices : sequence of uint64 (n,)
        From `bit_slices`.
    votes
        1 or more, so that padding stays 0.

    Returns
    -------
    uint64 (n,)
    """
    above = np.zeros_like(slices[0])
    equal = np.full_like(slices[0], np.uint64(0xFFFF_FFFF_FFFF_FFFF))
    if votes >= 1 << len(slices):
        return above
    for bit in reversed(range(len(slices))):
        if votes >> bit & 1:
            equal &= slices[bit]
        else:
            above |= equal & slices[bit]
            equal &= ~slices[bit]
    return above | equal


def vote_histogram(
    sources: Sequence[WordSource],
    edges: IntArray,
    sizes: IntArray,
    *,
    limit: int | None = None,
    threads: int | None = None,
) -> IntArray:
    """Count, layer by layer, the weights that exactly j of the masks keep, for every j.

    Parameters
    ----------
    sources, edges, sizes, limit, threads
        As for `tally`.

    Returns
    -------
    int64 (n_layers, N + 1)
        Every row sums to the layer's size.
    """
    return tally(sources, edges, sizes, limit=limit, threads=threads).histogram


def tally(
    sources: Sequence[WordSource],
    edges: IntArray,
    sizes: IntArray,
    *,
    least: int = 0,
    limit: int | None = None,
    threads: int | None = None,
) -> Tally:
    """Count the votes of N masks and choose the weights with enough of them, in one pass.

    Parameters
    ----------
    sources
        N masks over the same words.
    edges : int64 (n_layers + 1,)
        Word offsets of the layers.
    sizes : int64 (n_layers,)
        Weights a layer.
    least
        Votes that a weight of the ticket needs; 0 for no ticket.
    limit
        Most bytes of buffers, the ticket not counted.
    threads
        How many count where the masks are in memory and large; by default as many as there are
        processor cores, at most four. The counts are the same.

    Returns
    -------
    Tally

    Raises
    ------
    UsageError
        The limit is too small.
    """
    n_masks, n_words = len(sources), int(edges[-1])
    workers = n_threads(8 * n_words * n_masks, asked=threads)
    if not all(sliceable(source) for source in sources):
        workers = 1
    tile, workers = vote_tiling(n_masks, limit=limit, threads=workers)
    table_words = max(1, tile // 2)
    ticket = np.empty(n_words if least else 0, np.uint64)

    def count_part(part: tuple[int, int]) -> IntArray:
        subsets = _Subsets(n_masks, sizes.size, min(table_words, n_words))
        for start, stop in tiles(part[1], tile, start=part[0]):
            slices = bit_slices(source.words(start, stop) for source in sources)
            if least:
                ticket[start:stop] = at_least(slices, least)
            for lo, hi in tiles(stop, table_words, start=start):
                bits = [words[lo - start : hi - start] for words in slices]
                subsets.add(bits, segments(edges, lo, hi))
        return subsets.totals

    parts = list(tiles(n_words, max(1, -(-n_words // workers))))
    totals = _exactly(np.sum(at_once(count_part, parts), axis=0))
    # Padding bits look like weights that nobody keeps, so that bin is what the others leave.
    totals[0] = sizes - totals[1:].sum(axis=0)
    return Tally(totals.T.copy(), ticket)


class _Subsets:
    """Counts, for every value, the weights whose number of votes has at least its bits set.

    Bit by bit, a table of intersections doubles; values of more bits than a table are reached by
    branches, each with a table of its own, of which those that no weight is in end at once.

    Parameters
    ----------
    n_masks
        N, the largest value.
    n_layers
        How many layers.
    n_words
        Words of a tile.
    """

    def __init__(self, n_masks: int, n_layers: int, n_words: int) -> None:
        self.totals = np.zeros((n_masks + 1, n_layers), np.int64)
        n_rows = 1 << min(_TABLE_BITS, n_masks.bit_length())
        self._table = np.empty((n_rows, n_words), np.uint64)
        self._counts = np.empty((n_rows, n_words), np.uint8)

    def add(
        self, slices: Sequence[WordArray], cut: Segments, value: int = 0, words: WordArray = _ONES
    ) -> None:
        """Add the bits of `slices` to a value whose weights are `words`."""
        n_words = slices[0].size
        n_rows = min(len(self._table), len(self.totals) - value)
        table, counts = self._table[:n_rows, :n_words], self._counts[:n_rows, :n_words]
        table[0] = words
        for bit, having in enumerate(slices[:_TABLE_BITS]):
            more = table[1 << bit : 2 << bit]
            np.bitwise_and(table[: len(more)], having, out=more)
        np.bitwise_count(table, out=counts)
        self.totals[value : value + n_rows, cut.layers] += cut.sums(counts)
        for bit in range(_TABLE_BITS, len(slices)):
            larger = value | 1 << bit
            both = slices[bit] & words
            if larger < len(self.totals) and both.any():
                self.add(slices[:bit], cut, larger, both)


def _exactly(subsets: IntArray) -> IntArray:
    """Turn counts of values with at least some bits into counts of values (Moebius inversion)."""
    exact = subsets.copy()
    n = len(exact)
    for bit in range(n.bit_length()):
        without = [value for value in range(1, n) if not value >> bit & 1 and value | 1 << bit < n]
        exact[without] -= exact[[value | 1 << bit for value in without]]
    return exact


def vote_counts(sources: Sequence[WordSource], start: int, stop: int) -> NDArray[np.uint16]:
    """Count for each bit of words `start` to `stop` how many masks have it set.

    Parameters
    ----------
    sources
        At most 65,535 masks over the same words.
    start, stop
        A word range; the result has 64 entries a word.

    Returns
    -------
    uint16 (64 * (stop - start),)
    """
    n_bits = (stop - start) * WORD_BITS
    votes = np.zeros(n_bits, np.uint16)
    for bit, words in enumerate(bit_slices(source.words(start, stop) for source in sources)):
        votes += unpack(words, n_bits).astype(np.uint16) << np.uint16(bit)
    return votes
