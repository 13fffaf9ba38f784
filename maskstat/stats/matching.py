"""Relabel one ticket's hidden units so that it resembles another as closely as it can."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from numpy.typing import NDArray

from maskstat.errors import InputError, LayoutMismatchError, UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = [
    "Link",
    "UnitMatching",
    "chain_links",
    "match_units",
]

Mask: TypeAlias = NDArray[np.bool_]
Order: TypeAlias = NDArray[np.intp]

FLOAT32_EXACT = 1 << 24  # overlaps up to this are exact in float32


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """One layer's output units are another layer's inputs.

    Attributes
    ----------
    source, target
        Positions of the two layers, source before target.
    area
        Input columns of the target that one unit of the source becomes, side by side: height
        times width where a convolution is flattened into a linear layer, otherwise 1.
    """

    source: int
    target: int
    area: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class UnitMatching:
    """The second ticket's units relabelled to resemble the first's.

    Attributes
    ----------
    orders
        For each layer, which unit of the second ticket stands at each place; None where the
        layer's outputs are not relabelled.
    shared
        For each layer, the weights kept by both as they are.
    matched
        The same after relabelling outputs and inputs.
    """

    orders: tuple[Order | None, ...]
    shared: tuple[int, ...]
    matched: tuple[int, ...]


def chain_links(shapes: Sequence[tuple[int, ...]]) -> tuple[Link, ...]:
    """Link the layers of a plain sequential network by their shapes.

    Parameters
    ----------
    shapes
        Shapes of the weights, (outputs, inputs, ...), in network order.

    Returns
    -------
    tuple of Link
        One from every layer to the next.

    Raises
    ------
    LayoutMismatchError
        A layer's inputs are not a multiple of the outputs before it.

    Examples
    --------
    >>> [link.area for link in chain_links([(6, 1, 3, 3), (16, 6, 3, 3), (120, 400), (10, 120)])]
    [1, 25, 1]
    """
    links = []
    for target in range(1, len(shapes)):
        outputs, inputs = shapes[target - 1][0], shapes[target][1]
        area = inputs // outputs if outputs else 0
        flattened = len(shapes[target - 1]) > 2 and len(shapes[target]) == 2
        if outputs * area != inputs or not (area == 1 or flattened):
            raise LayoutMismatchError(
                f"layer {target} has {inputs} inputs and follows {outputs} outputs",
                code="not-a-chain",
                consequence="units cannot be carried from layer to layer",
                hint="give the links between the layers",
            )
        links.append(Link(source=target - 1, target=target, area=area))
    return tuple(links)


def match_units(
    a: Sequence[Mask], b: Sequence[Mask], links: Sequence[Link], *, sweeps: int = 0
) -> UnitMatching:
    """Relabel the second ticket's hidden units for the largest overlap with the first.

    Parameters
    ----------
    a, b
        The tickets' masks, bool, (outputs, inputs, ...), the same shapes, in network order.
    links
        Which layer's units feed which layer. A layer without a link from it keeps its outputs'
        labels (the network's last layer, and any whose units also go elsewhere, as into a
        residual sum), one without a link to it those of its inputs (the first).
    sweeps
        Rounds of improvement after the pass from first to last layer: every layer's units are
        matched again by the weights into and out of them, which never lowers the total overlap.

    Returns
    -------
    UnitMatching
        The relabelling, and the overlaps before and after.

    Raises
    ------
    LayoutMismatchError
        The tickets' shapes differ, or a link does not fit them.
    InputError
        A mask is not bool or has less than two dimensions.
    UsageError
        A negative number of sweeps.

    Notes
    -----
    Relabelling hidden units changes no network's function, so two tickets can be the same network
    and share no weight (Grosse and Backes 2020, section 3.3). Layer by layer, with the order of
    the layer before already carried into the inputs, the units are assigned so that the layer's
    overlap is as large as possible (scipy.optimize.linear_sum_assignment). Among equally good
    assignments the one that moves the fewest units is taken. Finding the best relabelling of all
    layers at once is intractable: the total is a lower bound of the largest.

    Examples
    --------
    >>> import numpy as np
    >>> first, last = np.array([[1, 1, 0], [0, 0, 1]], bool), np.array([[1, 0]], bool)
    >>> link = Link(source=0, target=1)
    >>> found = match_units([first, last], [first[::-1], last[:, ::-1]], [link])
    >>> found.shared, found.matched
    ((0, 0), (3, 1))
    """
    if sweeps < 0:
        raise UsageError(f"{sweeps} sweeps", code="sweeps", hint="ask for 0 or more")
    plan = _Plan.of(a, b, links)
    orders: list[Order | None] = [None] * len(a)
    for sweep in range(1 + sweeps):
        for layer in plan.relabelled:
            scores = _incoming(plan, a, b, orders, layer)
            if sweep:
                scores += _outgoing(plan, a, b, orders, layer)
            orders[layer] = _assignment(scores)
    relabelled = (_relabelled(plan, b, orders, layer) for layer in range(len(b)))
    return UnitMatching(
        orders=tuple(orders),
        shared=tuple(_overlap(m, n) for m, n in zip(a, b, strict=True)),
        matched=tuple(_overlap(m, n) for m, n in zip(a, relabelled, strict=True)),
    )


@dataclass(frozen=True, slots=True)
class _Plan:
    """The links, by target and by source, checked against the masks' shapes."""

    into: dict[int, Link]
    out_of: dict[int, list[Link]]

    @property
    def relabelled(self) -> list[int]:
        return sorted(self.out_of)

    @classmethod
    def of(cls, a: Sequence[Mask], b: Sequence[Mask], links: Sequence[Link]) -> _Plan:
        _check_masks(a, b)
        into: dict[int, Link] = {}
        out_of: dict[int, list[Link]] = {}
        for link in links:
            fits = 0 <= link.source < link.target < len(a) and link.target not in into
            if not fits or a[link.source].shape[0] * link.area != a[link.target].shape[1]:
                raise LayoutMismatchError(
                    f"{link} does not fit the layers",
                    code="link-mismatch",
                    consequence="a layer has one source, before it, whose outputs times the area"
                    " are its inputs",
                )
            into[link.target] = link
            out_of.setdefault(link.source, []).append(link)
        return cls(into, out_of)


def _check_masks(a: Sequence[Mask], b: Sequence[Mask]) -> None:
    if [m.shape for m in a] != [m.shape for m in b]:
        raise LayoutMismatchError(
            f"tickets of shapes {[m.shape for m in a]} and {[m.shape for m in b]}",
            code="shape-mismatch",
        )
    for position, mask in enumerate((*a, *b)):
        if mask.dtype != np.bool_ or mask.ndim < 2:
            raise InputError(
                f"a mask of type {mask.dtype} and shape {mask.shape}",
                code="mask-type",
                place=f"layer {position % len(a)}",
                consequence="matching needs bool masks of outputs by inputs",
            )


def _incoming(
    plan: _Plan, a: Sequence[Mask], b: Sequence[Mask], orders: Sequence[Order | None], layer: int
) -> NDArray[np.float64]:
    """How much of the weights into each unit of a and of b is shared."""
    return _products(_rows(a[layer]), _rows(_inputs_relabelled(plan, b, orders, layer)))


def _outgoing(
    plan: _Plan, a: Sequence[Mask], b: Sequence[Mask], orders: Sequence[Order | None], layer: int
) -> NDArray[np.float64]:
    """How much of the weights out of each unit is shared, into all layers that it feeds."""
    units = a[layer].shape[0]
    total = np.zeros((units, units))
    for link in plan.out_of[layer]:
        target, order = b[link.target], orders[link.target]
        target = target if order is None else target[order]
        total += _products(_columns(a[link.target], units), _columns(target, units))
    return total


def _rows(mask: Mask) -> Mask:
    return mask.reshape(mask.shape[0], -1)


def _columns(mask: Mask, units: int) -> Mask:
    """One row for each unit that feeds a layer: its block of input columns."""
    blocks: Mask = np.moveaxis(mask.reshape(mask.shape[0], units, -1), 1, 0)
    return blocks.reshape(units, -1)


def _products(a: Mask, b: Mask) -> NDArray[np.float64]:
    if a.shape[1] < FLOAT32_EXACT:
        return (a.astype(np.float32) @ b.astype(np.float32).T).astype(np.float64)
    product: NDArray[np.float64] = a.astype(np.float64) @ b.astype(np.float64).T
    return product


def _assignment(scores: NDArray[np.float64]) -> Order:
    """Best unit of b for every unit of a; among equals the one that moves the fewest units."""
    from scipy.optimize import linear_sum_assignment

    units = len(scores)
    order: Order = linear_sum_assignment(scores * (units + 1) + np.eye(units), maximize=True)[1]
    return order


def _inputs_relabelled(
    plan: _Plan, b: Sequence[Mask], orders: Sequence[Order | None], layer: int
) -> Mask:
    mask, link = b[layer], plan.into.get(layer)
    order = None if link is None else orders[link.source]
    if order is None:
        return mask
    units: Mask = mask.reshape(mask.shape[0], order.size, -1)[:, order]
    return units.reshape(mask.shape)


def _relabelled(plan: _Plan, b: Sequence[Mask], orders: Sequence[Order | None], layer: int) -> Mask:
    mask, order = _inputs_relabelled(plan, b, orders, layer), orders[layer]
    return mask if order is None else mask[order]


def _overlap(a: Mask, b: Mask) -> int:
    return int(np.count_nonzero(a & b))
