"""Which layer's units feed which layer, read off the network's graph: what may be relabelled."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from maskstat.graph.nodes import check_graph
from maskstat.stats.matching import Link

if TYPE_CHECKING:
    from maskstat.graph.nodes import Node

__all__ = ["unit_links"]

_KEEPS_CHANNELS = ("pass", "pool", "flatten")


def unit_links(graph: object, shapes: Mapping[str, Sequence[int]]) -> tuple[Link, ...]:
    """Find the layers whose output units can be relabelled, and where the labels go.

    Parameters
    ----------
    graph
        Nodes as `maskstat.graph.nodes` describes them.
    shapes
        Masked layers and their shapes, in layout order.

    Returns
    -------
    tuple of Link
        One to each layer that takes its inputs from a layer whose units may be relabelled.

    Raises
    ------
    InputError
        ``bad-graph``.

    Notes
    -----
    Relabelling leaves the network's function alone where all that reads a unit is a masked layer,
    behind operations that keep channels apart. Units that enter a sum, a concatenation, a grouped
    convolution, a layer that no mask prunes or the output keep their labels, and so do those of a
    layer that is applied more than once.

    Examples
    --------
    >>> from maskstat.stats.chain import chain_graph
    >>> shapes = {"conv": (6, 1, 3, 3), "fc1": (20, 96), "fc2": (3, 20)}
    >>> links = unit_links(chain_graph(list(shapes.items())).graph, shapes)
    >>> [(link.source, link.target, link.area) for link in links]
    [(0, 1, 16), (1, 2, 1)]
    """
    nodes = check_graph(graph, shapes)
    position = {name: index for index, name in enumerate(shapes)}
    applied = Counter(node.layer for node in nodes if node.layer is not None)
    source: dict[str, tuple[int, int] | None] = {}
    fixed: set[int] = set()
    links: list[Link] = []
    for node in nodes:
        feeding = [source[name] for name in node.inputs]
        once = node.layer is not None and applied[node.layer] == 1
        source[node.name] = (
            _units_of(node, feeding, position) if node.layer is None or once else None
        )
        if node.op in _KEEPS_CHANNELS:
            continue
        for fed in feeding:
            if fed is None:
                continue
            layer, area = fed
            target = position[node.layer] if node.layer is not None and once else -1
            if target > layer and node.groups == 1:
                links.append(Link(source=layer, target=target, area=area))
            else:
                fixed.add(layer)
    return tuple(link for link in links if link.source not in fixed)


def _units_of(
    node: Node, feeding: Sequence[tuple[int, int] | None], position: Mapping[str, int]
) -> tuple[int, int] | None:
    """Name the layer whose units a node's outputs are, and how many outputs each has become."""
    if node.layer is not None:
        return (position[node.layer], 1) if node.groups == 1 else None
    if node.op in _KEEPS_CHANNELS and feeding[0] is not None:
        layer, area = feeding[0]
        return layer, area * node.area
    return None
