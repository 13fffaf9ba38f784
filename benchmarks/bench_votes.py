"""In how many of 30 masks each weight is kept."""

from __future__ import annotations

from functools import partial

import numpy as np
from harness import Bar, Check, Contender
from samples import booleans, layout_of, packed

from maskstat.bits import Words, tiles
from maskstat.votes import at_least, bit_slices, vote_histogram

MASKS = 30
TILE_WORDS = 16_384


class Masks:
    """The masks, packed, and as booleans row by row."""

    def __init__(self, n_bits):
        self.layout = layout_of(n_bits)
        self.words = [packed(self.layout, 0.5, seed) for seed in range(MASKS)]
        self.bools = np.stack([booleans(self.layout, row) for row in self.words])
        self.sources = [Words(row) for row in self.words]


def slices(masks):
    """Bit-sliced counters of every tile: what thresholds and histograms start from."""

    def work():
        for start, stop in tiles(masks.layout.n_words, TILE_WORDS):
            bit_slices([source.words(start, stop) for source in masks.sources])

    return work


def majority(masks):
    """How many weights more than half of the masks keep."""

    def work():
        total = 0
        for start, stop in tiles(masks.layout.n_words, TILE_WORDS):
            counters = bit_slices([source.words(start, stop) for source in masks.sources])
            total += int(np.bitwise_count(at_least(counters, MASKS // 2 + 1)).sum())
        return total

    return work


def histogram(masks):
    layout = masks.layout
    return lambda: vote_histogram(masks.sources, layout.edges, layout.sizes).sum(axis=0)


def summed(masks):
    return lambda: masks.bools.sum(0)


def summed_majority(masks):
    return lambda: int((masks.bools.sum(0) > MASKS // 2).sum())


def summed_histogram(masks):
    return lambda: np.bincount(masks.bools.sum(0), minlength=MASKS + 1)


def counted(quick):
    masks = Masks(500_000 if quick else 4_000_000)
    made = [
        Contender(name="maskstat, slices", setup=partial(slices, masks), answers=False),
        Contender(name="bool .sum(0)", setup=partial(summed, masks), answers=False),
        Contender(name="maskstat, histogram", setup=partial(histogram, masks)),
        Contender(name="bincount of bool .sum(0)", setup=partial(summed_histogram, masks)),
    ]
    return made, np.bincount(masks.bools.sum(0, dtype=np.uint8), minlength=MASKS + 1)


def decided(quick):
    masks = Masks(500_000 if quick else 4_000_000)
    made = [
        Contender(name="maskstat", setup=partial(majority, masks)),
        Contender(name="bool .sum(0) > 15", setup=partial(summed_majority, masks)),
    ]
    return made, int((masks.bools.sum(0, dtype=np.uint8) > MASKS // 2).sum())


CHECKS = [
    Check(
        name="votes",
        work="votes of 30 masks of 4e6 bits (quick: 5e5)",
        contenders=counted,
        bars=[
            Bar(ours="maskstat, slices", peer="bool .sum(0)", at_least=15),
            Bar(ours="maskstat, histogram", peer="bool .sum(0)", at_least=12),
        ],
    ),
    Check(
        name="majority",
        work="weights that more than half of 30 masks keep",
        contenders=decided,
    ),
]
