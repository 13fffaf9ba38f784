"""A guess at the network's graph where none was stored: layers that feed each other in order."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from maskstat.graph.nodes import bad_graph

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["ChainGraph", "chain_graph"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ChainGraph:
    """A graph that was guessed from shapes, and what was assumed for it.

    Parameters
    ----------
    graph
        Nodes as `check_graph` takes them.
    warning
        What the guess rests on, for people.
    """

    graph: tuple[dict[str, object], ...]
    warning: str


def chain_graph(layers: Sequence[tuple[str, Sequence[int]]]) -> ChainGraph:
    """Guess the graph of layers that feed each other in the given order.

    Parameters
    ----------
    layers
        (name, shape) of every layer, in order.

    Returns
    -------
    ChainGraph
        The graph, and the warning that has to be shown with any result of it.

    Raises
    ------
    InputError
        ``bad-graph``: the shapes do not chain.

    Examples
    --------
    >>> guess = chain_graph([("conv", (6, 1, 3, 3)), ("fc", (10, 96))])
    >>> [node["op"] for node in guess.graph]
    ['input', 'conv', 'flatten', 'linear', 'output']
    """
    graph: list[dict[str, object]] = []

    def append(name: str, op: str, **fields: object) -> None:
        graph.append(
            {"name": name, "op": op, "inputs": [graph[-1]["name"]] if graph else [], **fields}
        )

    units, flat = 0, False
    for name, shape in layers:
        if len(shape) < 2:
            raise bad_graph(f"layer '{name}' of shape {tuple(shape)} is neither linear nor conv")
        outputs, inputs, linear = shape[0], shape[1], len(shape) == 2
        if not graph:
            append("input", "input", units=inputs)
            units, flat = inputs, linear
        if linear and not flat and units and inputs % units == 0:
            append(f"flatten before {name}", "flatten", area=inputs // units)
            units, flat = inputs, True
        if inputs != units or linear != flat:
            raise bad_graph(
                f"layer '{name}' of shape {tuple(shape)} does not follow one of {units} units",
                consequence="without a graph, layers have to feed each other in order",
                hint="give the network's graph as JSON",
            )
        append(f"layer {name}", "linear" if linear else "conv", layer=name, bias=True)
        units = outputs
    if not graph:
        raise bad_graph("there are no layers")
    append("output", "output")
    warning = (
        "the network's graph is not known: the layers were taken as one chain in the given order, "
        "without branches or shortcuts, each with a bias; if that is wrong, so are these numbers"
    )
    return ChainGraph(graph=tuple(graph), warning=warning)
