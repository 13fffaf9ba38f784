"""The chain of intersections: the law of |M_1 & ... & M_i|, mask by mask, on thinned lattices.

One step sums Hyp(t; N, m, n) over the lattice of m. Seen from any whole reference (m', t') that
probability is a product of functions of t, of m and of m - t, so that a step is a correlation of
short sequences: with c! relative to c'! for every cell c of the 2 x 2 table,

    Hyp(t; N, m, n) ~ m! (N - m)! / (t! (n - t)! (m - t)! (N - n - (m - t))!),

and over two steps the t! of the one cancels the m! of the other. References on the most likely path
leave next to nothing linear in the exponents, so that the sequences stay far from under- and
overflow and near their peaks every digit is kept.
"""

from __future__ import annotations

import math
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from maskstat.stats._stirling import deviance, log_factorial_remainder
from maskstat.stats.hypergeometric import log_pmf
from maskstat.stats.lattice import log_sum

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["Level", "chain_log_weight"]

Floats: TypeAlias = NDArray[np.float64]

_LOST_BELOW = 1e-250  # sums that may miss terms that underflowed


class Level(NamedTuple):
    """A lattice of sizes of one running intersection.

    Parameters
    ----------
    reference
        A size that is possible after the reference of the level before.
    first
        Smallest point.
    points
        How many.
    step
        Their distance, a power of two.
    """

    reference: int
    first: int
    points: int
    step: int

    @property
    def values(self) -> Floats:
        """The points, float64 (points,)."""
        return self.first + self.step * np.arange(float(self.points))

    @property
    def last(self) -> int:
        """The largest point."""
        return self.first + self.step * (self.points - 1)


def chain_log_weight(N: int, start: int, sizes: Sequence[int], levels: Sequence[Level]) -> Floats:
    """Return ln P(|M_1 & ... & M_i| = m) times the step, for the points m of the last level.

    Parameters
    ----------
    N
        Weights in the layer.
    start
        Size of the first mask.
    sizes
        Sizes of the masks that are intersected with it, one a level.
    levels
        Where the running intersection is summed after each of them.

    Returns
    -------
    float64 (points,)

    Examples
    --------
    >>> level = Level(reference=3, first=2, points=3, step=1)
    >>> bool(np.allclose(chain_log_weight(10, 6, [5], [level]), log_pmf([2, 3, 4], 10, 6, 5)))
    True
    """
    chain = [Level(start, start, 1, levels[0].step), *levels]
    nodes, edges = _sequences(N, sizes, chain)
    references = np.array([level.reference for level in chain], dtype=np.float64)
    log_at = log_pmf(references[1:], N, references[:-1], np.array(sizes, dtype=np.float64))
    log_weight = np.zeros(1)
    for (before, after), node, edge in zip(pairwise(chain), nodes, edges, strict=True):
        log_weight = node + _correlated(log_weight, edge, before, after)
    steps = math.prod(level.step for level in levels)
    return log_weight + (float(log_at.sum()) + math.log(steps))


def _sequences(
    N: int, sizes: Sequence[int], chain: Sequence[Level]
) -> tuple[list[Floats], list[Floats]]:
    """Return ln of the factors of each step, of t and of m - t, relative to the reference."""
    pairs = list(pairwise(chain))
    lost = [before.reference - after.reference for before, after in pairs]
    never = [N - n - cell for n, cell in zip(sizes, lost, strict=True)]
    only = [n - after.reference for n, after in zip(sizes, chain[1:], strict=True)]
    # The last level's own factorial is not cancelled, and no (N - m)! follows it.
    beside = [N - level.reference for level in chain[1:-1]] + [chain[-1].reference]
    points = [level.values for level in chain[1:]]
    losses = [_losses(before, after) for before, after in pairs]
    cells = [
        *(n - m for n, m in zip(sizes, points, strict=True)),
        *(N - m for m in points[:-1]),
        points[-1],
        *(loss.ravel() for loss in losses),
        *(N - n - loss.ravel() for n, loss in zip(sizes, losses, strict=True)),
    ]
    k = len(pairs)
    logs = _log_factorials(cells, [*only, *beside, *lost, *never])
    nodes = [b - a for a, b in zip(logs[:k], logs[k : 2 * k], strict=True)]
    nodes[-1] = -logs[k - 1] - logs[2 * k - 1]
    edges = [
        (-a - b).reshape(loss.shape)
        for a, b, loss in zip(logs[2 * k : 3 * k], logs[3 * k :], losses, strict=True)
    ]
    for i, (level, m) in enumerate(zip(chain[1:], points, strict=True)):
        up, down = _cell(only[i]) * _cell(lost[i]), _cell(never[i]) * _cell(beside[i])
        if i + 1 < k:
            up, down = up * _cell(never[i + 1]), down * _cell(lost[i + 1])
        nodes[i] += _log_ratio(up, down) * (m - level.reference)
    return nodes, edges


def _losses(before: Level, after: Level) -> Floats:
    """Return all m - t, ascending; or a row for each m where steps so unlike share too few."""
    step = min(before.step, after.step)
    first, last = before.first - after.last, before.last - after.first
    shared = (last - first) // step + 1
    if shared > before.points * after.points:
        return before.values[:, None] - after.values
    return first + step * np.arange(float(shared))


def _log_factorials(cells: Sequence[Floats], references: Sequence[int]) -> list[Floats]:
    """Return ln(c! / c'!) - (c - c') ln(c') for the cells c of each reference c'.

    An empty reference is 0 in the factorial and 1 in the logarithm. What is not there has an
    infinite factorial.
    """
    lengths = [c.size for c in cells]
    c = np.concatenate([*cells, np.array(references, dtype=np.float64)])
    reference = np.array([_cell(r) for r in references], dtype=np.float64)
    expected = np.concatenate([np.repeat(reference, lengths), reference])
    inside = np.maximum(c, 0.0)
    logs = deviance(expected, inside - expected) + log_factorial_remainder(inside)
    logs[c < 0] = np.inf
    starts = np.cumsum([0, *lengths]).tolist()
    at_reference = logs[starts[-1] :].tolist()
    return [
        logs[start:stop] - at
        for (start, stop), at in zip(pairwise(starts), at_reference, strict=True)
    ]


def _cell(count: int) -> int:
    return max(count, 1)


def _log_ratio(up: int, down: int) -> float:
    """Return ln(up / down) to the last place; Python's division of integers is exact."""
    excess = (up - down) / down
    return math.log1p(excess) if abs(excess) < 0.5 else math.log(up / down)


def _correlated(log_weight: Floats, edge: Floats, before: Level, after: Level) -> Floats:
    """Return ln of the sum over m of exp(log_weight(m) + edge(m - t)), for every t."""
    top_weight, top_edge = float(log_weight.max()), float(edge.max())
    if math.isinf(top_weight) or math.isinf(top_edge):
        return np.full(after.points, -np.inf)
    step = min(before.step, after.step)
    stride, skip = before.step // step, after.step // step
    weight, factor = np.exp(log_weight - top_weight), np.exp(edge - top_edge)
    if edge.ndim == 2:
        total = weight @ factor
    else:  # from the largest t down, so that m - t ascends
        spread = np.zeros((before.points - 1) * stride + 1)
        spread[::stride] = weight
        total = np.correlate(factor, spread, "valid")[::-skip]
    with np.errstate(divide="ignore"):
        log_total: Floats = np.log(total) + (top_weight + top_edge)
    lost = np.flatnonzero(total < _LOST_BELOW)
    if lost.size:
        if edge.ndim == 1:
            at_first = (after.points - 1 - lost) * skip
            log_factor = edge[np.arange(before.points)[:, None] * stride + at_first]
        else:
            log_factor = edge[:, lost]
        log_total[lost] = log_sum(log_weight[:, None] + log_factor)
    return log_total
