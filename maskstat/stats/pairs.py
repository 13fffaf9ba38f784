"""Pairs of masks: which ones are compared, and the counts that every statistic starts from."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import combinations
from typing import NamedTuple

import numpy as np

from maskstat.bits import IntArray, pair_counts
from maskstat.errors import NotFoundError, UsageError
from maskstat.layout import Layout
from maskstat.mask import Mask
from maskstat.stats.comparands import Comparand

__all__ = ["PairCounts", "count_pairs", "parse_pairs"]

_PAIR = re.compile(r"([0-9]{1,9}):([0-9]{1,9})")


def parse_pairs(text: str, n: int) -> list[tuple[int, int]]:
    """Turn ``all``, ``first`` or ``1:2,1:3`` into index pairs.

    Parameters
    ----------
    text
        ``all`` pairs, the ``first`` input with each other one, or pairs of positions from 1.
    n
        How many inputs there are.

    Returns
    -------
    list of (int, int)
        Positions from 0.

    Raises
    ------
    UsageError
        ``bad-pairs``: the text is none of these, or names a pair twice.
    NotFoundError
        ``no-such-input``: a position is not there.

    Examples
    --------
    >>> parse_pairs("first", 3), parse_pairs("2:3", 3)
    ([(0, 1), (0, 2)], [(1, 2)])
    """
    if text == "all":
        return list(combinations(range(n), 2))
    if text == "first":
        return [(0, second) for second in range(1, n)]
    if not isinstance(text, str):
        raise UsageError(
            f"{text!r} is no choice of pairs",
            code="bad-pairs",
            consequence="it takes a text: 'all', 'first', or pairs of positions such as '1:2,1:3'",
        )
    pairs: list[tuple[int, int]] = []
    seen: set[frozenset[int]] = set()
    for word in text.split(","):
        match = _PAIR.fullmatch(word.strip())
        if match is None:
            raise UsageError(
                f"'{word}' is no pair",
                code="bad-pairs",
                place="--pairs",
                consequence="it takes 'all', 'first', or pairs of positions such as 1:2,1:3",
            )
        a, b = int(match[1]), int(match[2])
        if not (1 <= a <= n and 1 <= b <= n) or a == b:
            raise NotFoundError(
                f"there is no pair {word}",
                code="no-such-input",
                place="--pairs",
                consequence=f"the inputs are 1 to {n}",
            )
        if {a, b} in seen:
            raise UsageError(
                f"the pair {word} is given twice",
                code="bad-pairs",
                place="--pairs",
                consequence="it would count as two pairs in every mean and share",
                hint="each pair once, in one order",
            )
        seen.add(frozenset((a, b)))
        pairs.append((a - 1, b - 1))
    return pairs


class PairCounts(NamedTuple):
    """Counts of pairs of masks, layer by layer; P pairs, L layers.

    Parameters
    ----------
    layout
        The layers.
    comparands
        The inputs.
    a, b
        For each pair the positions of its inputs.
    iteration_a, iteration_b
        For each pair the iterations of its masks.
    sizes : int64 (L,)
        Weights a layer.
    kept_a, kept_b, shared : int64 (P, L)
        Weights kept by the first, the second, both.
    masks
        Every mask that any pair uses.
    mask_a, mask_b : int64 (P,)
        For each pair the positions of its masks in `masks`.
    """

    layout: Layout
    comparands: Sequence[Comparand]
    a: list[int]
    b: list[int]
    iteration_a: list[int | None]
    iteration_b: list[int | None]
    sizes: IntArray
    kept_a: IntArray
    kept_b: IntArray
    shared: IntArray
    masks: Sequence[Mask]
    mask_a: IntArray
    mask_b: IntArray

    @property
    def union(self) -> IntArray:
        """Weights kept by either, int64 (P, L)."""
        return self.kept_a + self.kept_b - self.shared

    def same_run(self, pair: int) -> bool:
        """Tell whether a pair is two iterations of one run, the one inside the other."""
        runs = [self.comparands[side[pair]].run for side in (self.a, self.b)]
        first, second = runs
        if first is None or second is None:
            return False
        return first is second or bool(first.digest and first.digest == second.digest)


def count_pairs(
    inputs: Sequence[Comparand],
    pairs: Sequence[tuple[int, int]],
    *,
    limit_memory: int | None = None,
    threads: int | None = None,
) -> PairCounts:
    """Count what the masks of each pair of inputs share.

    Parameters
    ----------
    inputs
        From `comparands`.
    pairs
        Positions in `inputs`. Two inputs are compared at every iteration that both have; inputs
        with one mask each are compared whatever their iterations.
    limit_memory
        Most bytes of buffers; where not all masks fit at once, they are read again.
    threads
        How many count at once; see `maskstat.bits.pair_counts`.

    Returns
    -------
    PairCounts

    Raises
    ------
    UsageError
        The limit is too small.
    """
    masks = [(i, t, mask) for i, one in enumerate(inputs) for t, mask in one.masks.items()]
    masks.sort(key=lambda entry: _order(entry[1]))  # masks that meet become neighbours
    index = {(i, t): position for position, (i, t, _) in enumerate(masks)}
    met: list[tuple[int, int | None, int, int | None]] = []
    for a, b in pairs:
        met.extend((a, ta, b, tb) for ta, tb in _matching(inputs[a], inputs[b]))
    met.sort(key=lambda entry: _order(entry[1]))
    wanted = [(index[a, ta], index[b, tb]) for a, ta, b, tb in met]
    mask_a, mask_b = np.array(wanted, np.int64).reshape(-1, 2).T
    layout = inputs[0].layout
    kept = np.stack([mask.kept for _, _, mask in masks])
    return PairCounts(
        layout=layout,
        comparands=inputs,
        a=[entry[0] for entry in met],
        iteration_a=[entry[1] for entry in met],
        b=[entry[2] for entry in met],
        iteration_b=[entry[3] for entry in met],
        sizes=layout.sizes,
        kept_a=kept[mask_a],
        kept_b=kept[mask_b],
        shared=pair_counts(
            [mask for _, _, mask in masks],
            wanted,
            layout.edges,
            limit=limit_memory,
            threads=threads,
        ),
        masks=[mask for _, _, mask in masks],
        mask_a=mask_a,
        mask_b=mask_b,
    )


def _order(iteration: int | None) -> int:
    return -1 if iteration is None else iteration


def _matching(a: Comparand, b: Comparand) -> list[tuple[int | None, int | None]]:
    """Pair the iterations of two inputs."""
    if a.fixed or b.fixed:
        return [(ta, tb) for ta in a.masks for tb in b.masks]
    return [(t, t) for t in a.masks if t in b.masks]
