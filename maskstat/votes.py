"""Votes: in how many of N masks each weight is kept.

Counters are bit-sliced: slice i of a tile holds bit i of every weight's number of votes, so a
carry-save adder counts 64 weights an operation and thresholds are comparisons of slices.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from maskstat.bits import (
    WORD_BITS,
    IntArray,
    WordArray,
    WordSource,
    segment_counts,
    tiles,
    unpack,
)

__all__ = ["TILE_WORDS", "at_least", "bit_slices", "vote_counts", "vote_histogram"]

TILE_WORDS = 8_192
"""64 KiB a mask: the slices of a few dozen masks stay in L2."""


def bit_slices(masks: Sequence[WordArray]) -> list[WordArray]:
    """Add masks position by position into bit-sliced counters, by a tree of carry-save adders.

    Parameters
    ----------
    masks : sequence of uint64 (n,)
        The same tile of each mask.

    Returns
    -------
    list of uint64 (n,)
        Slice i holds bit i of the number of masks that keep each weight.

    Examples
    --------
    >>> [s.tolist() for s in bit_slices([np.array([w], np.uint64) for w in (3, 1, 1)])]
    [[3], [1]]
    """
    slices: list[WordArray] = []
    level = list(masks)
    while level:
        carries: list[WordArray] = []
        while len(level) >= 3:
            a, b, c = level.pop(), level.pop(), level.pop()
            either = a ^ b
            carries.append((a & b) | (either & c))
            level.append(either ^ c)
        if len(level) == 2:
            a, b = level
            carries.append(a & b)
            level = [a ^ b]
        slices.append(level[0])
        level = carries
    return slices


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


def vote_histogram(sources: Sequence[WordSource], edges: IntArray, sizes: IntArray) -> IntArray:
    """Count, layer by layer, the weights that exactly j of the masks keep, for every j.

    Parameters
    ----------
    sources
        N masks over the same words.
    edges : int64 (n_layers + 1,)
        Word offsets of the layers.
    sizes : int64 (n_layers,)
        Weights a layer.

    Returns
    -------
    int64 (n_layers, N + 1)
        Every row sums to the layer's size.
    """
    n_masks = len(sources)
    totals = np.zeros((n_masks + 1, sizes.size), np.int64)
    for start, stop in tiles(sources[0].n_words, TILE_WORDS):
        slices = bit_slices([source.words(start, stop) for source in sources])
        for votes, words in _exactly(slices, n_masks):
            segment_counts(words, start, edges, totals[votes])
    # Padding bits look like weights that nobody keeps, so that bin is what the others leave.
    totals[0] = sizes - totals[1:].sum(axis=0)
    return totals.T.copy()


def _exactly(slices: Sequence[WordArray], most: int) -> Iterator[tuple[int, WordArray]]:
    """Walk the tree of counter values from the top bit, leaving out 0 and empty branches."""
    branches: list[tuple[int, int, WordArray | None]] = [(len(slices) - 1, 0, None)]
    while branches:
        level, value, words = branches.pop()
        if words is not None and not words.any():
            continue
        if level < 0:
            if value and words is not None:
                yield value, words
            continue
        here = slices[level]
        branches.append((level - 1, value, ~here if words is None else words & ~here))
        if value + (1 << level) <= most:
            branches.append(
                (level - 1, value + (1 << level), here if words is None else words & here)
            )


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
    for bit, words in enumerate(bit_slices([source.words(start, stop) for source in sources])):
        votes += unpack(words, n_bits).astype(np.uint16) << np.uint16(bit)
    return votes
