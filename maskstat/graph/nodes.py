"""The network's graph: which operation feeds which, checked before anything is computed on it.

The graph is a list of plain dicts, so that it can be stored as JSON with an archive's layout. Nodes
stand in topological order; each has a ``name``, an ``op`` and the names of its ``inputs``:

==============  ====================================================================================
op              further keys
==============  ====================================================================================
input           ``units`` (channels or features); ``map``, the spatial size
conv            ``layer``; ``groups``, ``kernel``, ``stride``, ``padding``, ``dilation``; ``bias``
linear          ``layer``; ``bias``
add, concat     two or more inputs; concat joins channels
flatten         ``area``: how many units each channel becomes
pool            ``kernel``, ``stride`` (the kernel if not given), ``padding``; or the ``map``
pass            whatever keeps channels apart: activation, normalization (``bias`` for its shift)
output          one input
==============  ====================================================================================

Any node may state its output ``map``. A conv or linear whose layer is not among the masked layers
is taken as dense and has to state its output ``units``.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING

from maskstat.errors import InputError, closest, printable

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["Node", "bad_graph", "check_graph"]

_ARITY = {
    "input": (0, 0),
    "conv": (1, 1),
    "linear": (1, 1),
    "add": (2, None),
    "concat": (2, None),
    "flatten": (1, 1),
    "pool": (1, 1),
    "pass": (1, 1),
    "output": (1, 1),
}
_KEYS = frozenset(
    {"name", "op", "inputs", "layer", "groups", "kernel", "stride", "padding", "dilation"}
    | {"area", "units", "map", "bias"}
)
# A graph comes from a file: its sizes become allocations.
_MAX_UNITS = 2**28


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """One checked operation.

    Parameters
    ----------
    name, op, inputs
        As in the graph.
    layer
        The masked layer that a conv or linear applies; None for a dense one and for every other op.
    units
        Output channels (or features).
    in_units
        Channels of the first input; 0 for ``input``.
    map, in_map
        Spatial size of the output and of the first input; None where not known.
    kernel, stride, padding, dilation
        One number per spatial dimension; empty where there is none.
    groups
        Groups of a convolution.
    area
        Units that ``flatten`` makes of one channel.
    bias
        Whether the operation adds a constant to each unit.
    """

    name: str
    op: str
    inputs: tuple[str, ...]
    layer: str | None
    units: int
    in_units: int
    map: tuple[int, ...] | None
    in_map: tuple[int, ...] | None
    kernel: tuple[int, ...]
    stride: tuple[int, ...]
    padding: tuple[int, ...]
    dilation: tuple[int, ...]
    groups: int
    area: int
    bias: bool


def bad_graph(fact: str, *, node: str = "", consequence: str = "", hint: str = "") -> InputError:
    """Make the one kind of error that a graph can cause.

    Parameters
    ----------
    fact, consequence, hint
        As in every error of maskstat.
    node
        Name of the node at fault.

    Returns
    -------
    InputError
        To be raised.
    """
    place = f"graph node '{node}'" if node else "graph"
    return InputError(fact, code="bad-graph", place=place, consequence=consequence, hint=hint)


class _Fields:
    """Typed, checked access to one node's dict."""

    def __init__(self, raw: object, index: int) -> None:
        if not isinstance(raw, dict):
            raise bad_graph(f"node {index} is not an object with named fields")
        name = raw.get("name")
        if not isinstance(name, str) or not name:
            raise bad_graph(f"node {index} has no name")
        self.raw: dict[object, object] = raw
        self.name = name
        unknown = [key for key in raw if key not in _KEYS]
        if unknown:
            raise self.bad(f"unknown field {printable(str(unknown[0]))!r}")

    def bad(self, fact: str, *, consequence: str = "") -> InputError:
        return bad_graph(fact, node=self.name, consequence=consequence)

    def op(self) -> str:
        op = self.raw.get("op")
        if not isinstance(op, str) or op not in _ARITY:
            raise self.bad(
                f"unknown operation {printable(str(op))!r}", consequence=closest(str(op), _ARITY)
            )
        return op

    def inputs(self, op: str, known: Mapping[str, Node], names: frozenset[str]) -> tuple[str, ...]:
        inputs = self.raw.get("inputs", [])
        if not isinstance(inputs, list | tuple):
            raise self.bad("'inputs' is not a list of names")
        least, most = _ARITY[op]
        if len(inputs) < least or (most is not None and len(inputs) > most):
            wanted = f"{least} or more" if most is None else str(least)
            raise self.bad(f"'{op}' takes {wanted} input(s), not {len(inputs)}")
        for name in inputs:
            if not isinstance(name, str):
                raise self.bad("'inputs' is not a list of names")
            if name in names and name not in known:
                raise self.bad(
                    f"its input '{printable(name)}' does not come before it",
                    consequence="the graph has a cycle or is not in topological order",
                )
            if name not in known:
                raise self.bad(
                    f"its input '{printable(name)}' does not exist",
                    consequence=closest(name, known),
                )
        return tuple(inputs)

    def layer(self) -> str | None:
        layer = self.raw.get("layer")
        if layer is not None and not isinstance(layer, str):
            raise self.bad("'layer' is not a name")
        return layer

    def flag(self, key: str) -> bool:
        value = self.raw.get(key, False)
        if not isinstance(value, bool):
            raise self.bad(f"'{key}' is not true or false")
        return value

    def number(self, key: str, default: int | None = None) -> int:
        value = self.raw.get(key, default)
        if value is None:
            raise self.bad(f"'{key}' is missing")
        if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= _MAX_UNITS:
            raise self.bad(f"'{key}' is not a whole number from 1 to {_MAX_UNITS}")
        return value

    def sizes(self, key: str, *, least: int = 1) -> tuple[int, ...] | None:
        value = self.raw.get(key)
        if value is None:
            return None
        if not isinstance(value, list | tuple) or not all(
            isinstance(v, int) and not isinstance(v, bool) and least <= v <= _MAX_UNITS
            for v in value
        ):
            raise self.bad(f"'{key}' is not a list of whole numbers from {least}")
        return tuple(value)

    def per_dimension(
        self, key: str, dims: int, default: tuple[int, ...], *, least: int = 1
    ) -> tuple[int, ...]:
        value = self.sizes(key, least=least)
        if value is not None and len(value) != dims:
            raise self.bad(f"'{key}' has {len(value)} numbers for {dims} spatial dimension(s)")
        return default if value is None else value


def _window(
    size: tuple[int, ...],
    kernel: tuple[int, ...],
    stride: tuple[int, ...],
    padding: tuple[int, ...],
    dilation: tuple[int, ...],
) -> tuple[int, ...]:
    """Output size of a sliding window in each dimension."""
    return tuple(
        (n + 2 * p - d * (k - 1) - 1) // s + 1
        for n, k, s, p, d in zip(size, kernel, stride, padding, dilation, strict=True)
    )


def _common_map(fields: _Fields, sources: Sequence[Node]) -> tuple[int, ...] | None:
    """Spatial size that all inputs share, as far as it is known."""
    maps = {source.map for source in sources if source.map is not None}
    if len(maps) > 1:
        raise fields.bad(f"its inputs have different map sizes: {sorted(maps)}")
    return maps.pop() if maps else None


def _weights(
    fields: _Fields, op: str, source: Node, shapes: Mapping[str, Sequence[int]]
) -> tuple[str | None, int, tuple[int, ...], int]:
    """Return a conv's or linear's masked layer, output units, kernel and groups, shapes checked."""
    layer, groups = fields.layer(), fields.number("groups", 1) if op == "conv" else 1
    kernel = fields.sizes("kernel") or ()
    if layer is None or layer not in shapes:
        if "units" not in fields.raw:
            missing = "names no layer" if layer is None else f"layer '{layer}' does not exist"
            raise fields.bad(
                f"{missing} and states no 'units'",
                consequence="" if layer is None else closest(layer, shapes),
            )
        layer, units, in_units = None, fields.number("units"), source.units
    else:
        shape = tuple(shapes[layer])
        if (op == "linear" and len(shape) != 2) or (op == "conv" and len(shape) < 3):
            raise fields.bad(f"layer '{layer}' of shape {shape} cannot be a {op}")
        units, in_units = shape[0], shape[1] * groups
        if kernel not in ((), shape[2:]):
            raise fields.bad(f"'kernel' is {list(kernel)}, but layer '{layer}' has shape {shape}")
        kernel = shape[2:]
        if fields.number("units", units) != units:
            raise fields.bad(f"'units' is not layer '{layer}''s {units} outputs")
    if in_units != source.units:
        raise fields.bad(
            f"it takes {in_units} input units, but '{source.name}' gives {source.units}",
            consequence="the shapes do not chain",
        )
    if units % groups or in_units % groups:
        raise fields.bad(f"{in_units} -> {units} units cannot be divided into {groups} groups")
    return layer, units, kernel, groups


def _check_node(
    fields: _Fields,
    known: Mapping[str, Node],
    names: frozenset[str],
    shapes: Mapping[str, Sequence[int]],
) -> Node:
    """Check one node against those before it, `known`, of all that there are."""
    op = fields.op()
    inputs = fields.inputs(op, known, names)
    sources = [known[name] for name in inputs]
    in_map = _common_map(fields, sources)
    stated = fields.sizes("map")
    layer, kernel, groups, area = None, fields.sizes("kernel") or (), 1, 1
    units = sources[0].units if sources else 0
    if op == "input":
        units = fields.number("units")
    elif op in ("conv", "linear"):
        layer, units, kernel, groups = _weights(fields, op, sources[0], shapes)
    elif op == "add" and len({source.units for source in sources}) > 1:
        sizes = [source.units for source in sources]
        raise fields.bad(f"it adds {sizes} units", consequence="the shapes do not chain")
    elif op == "concat":
        units = sum(source.units for source in sources)
    elif op == "flatten":
        area = fields.number("area")
        if in_map is not None and area != prod(in_map):
            raise fields.bad(f"'area' is {area}, but the map is {list(in_map)}")
        units *= area
    dims = len(kernel)
    stride = kernel if op == "pool" else (1,) * dims
    stride = fields.per_dimension("stride", dims, stride)
    padding = fields.per_dimension("padding", dims, (0,) * dims, least=0)
    dilation = fields.per_dimension("dilation", dims, (1,) * dims)
    size = None if op == "flatten" else in_map
    if op in ("conv", "pool") and dims and in_map is not None:
        if len(in_map) != dims:
            raise fields.bad(f"a {dims}-dimensional kernel on a map of {list(in_map)}")
        size = _window(in_map, kernel, stride, padding, dilation)
        if min(size) < 1:
            raise fields.bad(f"a kernel of {list(kernel)} does not fit a map of {list(in_map)}")
        if op == "conv" and stated not in (None, size):
            raise fields.bad(f"'map' is {stated}, but its input and kernel give {size}")
    return Node(
        name=fields.name,
        op=op,
        inputs=inputs,
        layer=layer,
        units=units,
        in_units=sources[0].units if sources else 0,
        map=size if stated is None else stated,
        in_map=in_map,
        kernel=kernel,
        stride=stride,
        padding=padding,
        dilation=dilation,
        groups=groups,
        area=area,
        bias=fields.flag("bias"),
    )


def check_graph(graph: object, shapes: Mapping[str, Sequence[int]]) -> tuple[Node, ...]:
    """Check a graph against the layers' shapes.

    Parameters
    ----------
    graph
        List of nodes in topological order, as the module describes them.
    shapes
        Shape of each masked layer: (outputs, inputs) of a linear, (outputs, inputs / groups,
        *kernel) of a convolution.

    Returns
    -------
    tuple of Node
        In the given order, with units, map sizes and defaults filled in.

    Raises
    ------
    InputError
        ``bad-graph``: an unknown operation or field, an input that is missing or comes later, a
        cycle, a layer that the graph leaves out, or shapes that do not chain.

    Examples
    --------
    >>> nodes = check_graph(
    ...     [
    ...         {"name": "x", "op": "input", "inputs": [], "units": 4},
    ...         {"name": "fc", "op": "linear", "inputs": ["x"], "layer": "fc.weight"},
    ...         {"name": "y", "op": "output", "inputs": ["fc"]},
    ...     ],
    ...     {"fc.weight": (3, 4)},
    ... )
    >>> [node.units for node in nodes]
    [4, 3, 3]
    """
    if not isinstance(graph, list | tuple):
        raise bad_graph("it is not a list of nodes")
    fields = [_Fields(raw, index) for index, raw in enumerate(graph)]
    names = frozenset(f.name for f in fields)
    known: dict[str, Node] = {}
    total = 0
    for field in fields:
        if field.name in known:
            raise field.bad("its name is taken by an earlier node")
        node = _check_node(field, known, names, shapes)
        known[field.name] = node
        total += node.units
        if total > _MAX_UNITS:
            raise field.bad(f"the graph has more than {_MAX_UNITS} units")
    ops = {node.op for node in known.values()}
    for op in ("input", "output"):
        if op not in ops:
            raise bad_graph(f"it has no '{op}' node")
    absent = [name for name in shapes if name not in {node.layer for node in known.values()}]
    if absent:
        raise bad_graph(
            f"it leaves out layer '{printable(absent[0])}'",
            consequence="what that layer connects is not known",
        )
    return tuple(known.values())
