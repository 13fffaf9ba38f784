"""Overlap of two tickets after relabelling units, tested against random masks treated alike."""

from __future__ import annotations

from dataclasses import dataclass
from math import log10
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from numpy.typing import NDArray

from maskstat.errors import UsageError
from maskstat.stats.matching import match_units

if TYPE_CHECKING:
    from collections.abc import Sequence

    from maskstat.stats.matching import Link, UnitMatching

__all__ = ["MatchedOverlap", "MatchedTickets", "matched_overlap"]

Mask: TypeAlias = NDArray[np.bool_]


@dataclass(frozen=True, slots=True, kw_only=True)
class MatchedOverlap:
    """Overlap of a layer (or of all layers) before and after matching, and what chance gives.

    Attributes
    ----------
    size, kept_a, kept_b
        Weights, and those that each ticket keeps.
    shared
        Weights kept by both as they are.
    matched
        The same after matching.
    draws
        Pairs of random masks behind the next four.
    expected, sd
        Mean and standard deviation of `matched` over pairs of random masks of the same sizes,
        matched in the same way.
    z
        (matched - expected) / sd; None where sd is 0.
    p, log10_p
        Monte Carlo p of an overlap at least as large: (1 + draws not below it) / (1 + draws).
    """

    size: int
    kept_a: int
    kept_b: int
    shared: int
    matched: int
    draws: int
    expected: float
    sd: float
    z: float | None
    p: float
    log10_p: float


@dataclass(frozen=True, slots=True, kw_only=True)
class MatchedTickets:
    """Matched overlap layer by layer and in total, with the relabelling that gave it."""

    layers: tuple[MatchedOverlap, ...]
    total: MatchedOverlap
    matching: UnitMatching


def matched_overlap(
    a: Sequence[Mask],
    b: Sequence[Mask],
    links: Sequence[Link],
    *,
    rng: np.random.Generator,
    draws: int = 199,
    sweeps: int = 0,
) -> MatchedTickets:
    """Test the overlap after matching against random masks that are matched in the same way.

    Parameters
    ----------
    a, b, links, sweeps
        As for `match_units`.
    rng
        Source of the random masks; its seed fixes the result.
    draws
        Pairs of random masks, at least 2. The smallest possible p is 1 / (1 + draws).

    Returns
    -------
    MatchedTickets
        Each layer, and all layers together.

    Raises
    ------
    LayoutMismatchError, InputError
        As for `match_units`.
    UsageError
        Too few draws, or a negative number of sweeps.

    Notes
    -----
    Matching finds overlap in anything: two random masks of 84 x 120 weights at 20 % density share
    0.20 of their weights as they are and 0.37 after matching. So the null is matched as well:
    both masks uniform within every layer, of the tickets' sizes. p = (1 + #{draw >= observed}) /
    (1 + draws) never rejects more often than it says (Phipson and Smyth 2010, SAGMB 9:39).

    Examples
    --------
    >>> import numpy as np
    >>> from maskstat.stats.matching import chain_links
    >>> rng = np.random.default_rng(0)
    >>> first, last = rng.random((20, 30)) < 0.2, rng.random((5, 20)) < 0.2
    >>> order = rng.permutation(20)
    >>> found = matched_overlap(
    ...     [first, last], [first[order], last[:, order]], chain_links([(20, 30), (5, 20)]), rng=rng
    ... )
    >>> found.total.matched == found.total.kept_a, found.total.p
    (True, 0.005)
    """
    if draws < 2:
        raise UsageError(f"{draws} draws", code="draws", hint="ask for at least 2")
    matching = match_units(a, b, links, sweeps=sweeps)
    kept_a = [int(np.count_nonzero(m)) for m in a]
    kept_b = [int(np.count_nonzero(m)) for m in b]
    chance = np.empty((draws, len(a)), dtype=np.int64)
    for draw in range(draws):
        random_a = [_uniform(m.shape, k, rng) for m, k in zip(a, kept_a, strict=True)]
        random_b = [_uniform(m.shape, k, rng) for m, k in zip(b, kept_b, strict=True)]
        chance[draw] = match_units(random_a, random_b, links, sweeps=sweeps).matched
    sizes = [m.size for m in a]
    columns = zip(sizes, kept_a, kept_b, matching.shared, matching.matched, chance.T, strict=True)
    return MatchedTickets(
        layers=tuple(_tested(*column) for column in columns),
        total=_tested(
            sum(sizes),
            sum(kept_a),
            sum(kept_b),
            sum(matching.shared),
            sum(matching.matched),
            chance.sum(axis=1),
        ),
        matching=matching,
    )


def _tested(
    size: int, kept_a: int, kept_b: int, shared: int, matched: int, chance: NDArray[np.int64]
) -> MatchedOverlap:
    expected, sd = float(chance.mean()), float(chance.std(ddof=1))
    p = (1 + int(np.count_nonzero(chance >= matched))) / (1 + chance.size)
    return MatchedOverlap(
        size=size,
        kept_a=kept_a,
        kept_b=kept_b,
        shared=shared,
        matched=matched,
        draws=chance.size,
        expected=expected,
        sd=sd,
        z=(matched - expected) / sd if sd else None,
        p=p,
        log10_p=log10(p),
    )


def _uniform(shape: tuple[int, ...], kept: int, rng: np.random.Generator) -> Mask:
    """Keep exactly `kept` weights, every such mask as likely as any other."""
    size = int(np.prod(shape))
    flat = np.zeros(size, dtype=np.bool_)
    flat[rng.choice(size, kept, replace=False, shuffle=False)] = True
    return flat.reshape(shape)
