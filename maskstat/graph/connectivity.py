"""Which kept weights lie on a path from the network's input to its output.

A weight is effective if it is kept, its source can be reached from the input, and its target
reaches the output. Both are boolean reachability on the graph of channels: one pass forward, one
back. Counting paths instead (synaptic flow) overflows float32 after a dozen wide layers; booleans
cannot.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from maskstat.errors import LayoutMismatchError, printable
from maskstat.graph.links import DenseLink, Link, taps_with_data
from maskstat.graph.nodes import check_graph

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from maskstat.graph.nodes import Node

    BoolArray = NDArray[np.bool_]

__all__ = ["Connectivity", "LayerConnectivity", "Rule", "connectivity"]

Rule = Literal["both", "output"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Use:
    """One application of a layer: source and target units that are alive, groups, usable taps."""

    groups: int
    source: BoolArray
    target: BoolArray
    taps: BoolArray | None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class LayerConnectivity:
    """What pruning cut off in one layer.

    Parameters
    ----------
    layer
        Its name.
    size, kept
        Weights in all, and those that the mask keeps.
    effective_output
        Kept weights whose target reaches the output (Paganini & Forde, Appendix C).
    effective_both
        Kept weights that lie on a path from input to output (Vysogorets & Kempe).
    outputs, dead_outputs
        Output units (channels), and those that no signal passes on its way to the output.
    inputs, dead_inputs
        Input units, and those from which no effective weight of this layer leaves.
    padding_only, padding_only_kept
        Weights, and kept ones, that meet nothing but padding because the map is smaller than the
        kernel needs; None where the map's size is not known.
    uses
        The graph's applications of this layer, for `effective_mask`.
    """

    layer: str
    size: int
    kept: int
    effective_output: int
    effective_both: int
    outputs: int
    dead_outputs: int
    inputs: int
    dead_inputs: int
    padding_only: int | None
    padding_only_kept: int | None
    uses: tuple[_Use, ...]

    def effective_mask(self, mask: BoolArray, *, rule: Rule = "both") -> BoolArray:
        """Mark the effective weights of this layer.

        Parameters
        ----------
        mask
            The layer's mask, bool, as it was analysed.
        rule
            ``both`` or ``output``.

        Returns
        -------
        ndarray of bool
            Same shape; True where a weight is kept and effective.
        """
        return _effective_mask(mask, self.uses, rule)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Connectivity:
    """Explicit and effective sparsity of a network under one mask.

    Parameters
    ----------
    layers
        One entry per masked layer, in the order of the shapes.
    units
        Per graph node: units that carry a signal from input to output, and all units. The biases
        and normalization parameters of the others have no effect.
    warnings
        Sentences for people.
    """

    layers: tuple[LayerConnectivity, ...]
    units: dict[str, tuple[int, int]]
    warnings: tuple[str, ...]


def _effective_mask(mask: BoolArray, uses: Sequence[_Use], rule: Rule) -> BoolArray:
    """Mark the weights that are effective in any use of their layer."""
    outputs, width = mask.shape[:2]
    taps = mask.size // max(outputs * width, 1)
    flat = mask.reshape(outputs, width, taps) if taps > 1 else mask.reshape(outputs, width)
    effective = np.zeros_like(flat)
    for use in uses:
        source = use.source if rule == "both" else np.ones_like(use.source)
        per_group = outputs // use.groups
        for group, live in enumerate(source.reshape(use.groups, width)):
            for row in range(group * per_group, (group + 1) * per_group):
                if use.target[row]:
                    found = flat[row] & (live if taps == 1 else live[:, None])
                    effective[row] |= found if use.taps is None else found & use.taps
    return effective.reshape(mask.shape)


class _Layer:
    """One masked layer while it is analysed: the nodes that apply it, their taps and links."""

    def __init__(self, name: str, nodes: Sequence[Node], mask: BoolArray, *, cut: bool) -> None:
        self.name, self.nodes, self.shape = name, nodes, mask.shape
        self.size, self.kept = mask.size, int(np.count_nonzero(mask))
        data_taps = [taps_with_data(node) for node in nodes]
        self.taps = [None if t is None or t.all() or not cut else t for t in data_taps]
        self.links = [
            Link(mask, node.groups, taps) for node, taps in zip(nodes, self.taps, strict=True)
        ]
        known = [t for t in data_taps if t is not None]
        self.padding_only: tuple[int, int] | None = None
        if len(known) == len(data_taps):
            dead = ~np.logical_or.reduce(known)
            lost = mask.reshape(-1, dead.size)[:, dead] if dead.any() else np.zeros(0, bool)
            self.padding_only = lost.size, int(np.count_nonzero(lost))

    def result(
        self,
        forward: Mapping[str, BoolArray],
        backward: Mapping[str, BoolArray],
        masks: Mapping[str, BoolArray],
    ) -> LayerConnectivity:
        """Count what is effective, after both passes."""
        uses = tuple(
            _Use(
                groups=node.groups,
                source=forward[node.inputs[0]],
                target=backward[node.name],
                taps=taps,
            )
            for node, taps in zip(self.nodes, self.taps, strict=True)
        )
        alive_outputs = [forward[node.name] & backward[node.name] for node in self.nodes]
        alive_inputs = [
            use.source & link.backward(use.target)
            for use, link in zip(uses, self.links, strict=True)
        ]
        if len(uses) == 1:
            everything = np.ones_like(uses[0].source)
            output_count = self.links[0].count(everything, uses[0].target)
            both_count = self.links[0].count(uses[0].source, uses[0].target)
        else:
            mask = masks[self.name]
            output_count = int(np.count_nonzero(_effective_mask(mask, uses, "output")))
            both_count = int(np.count_nonzero(_effective_mask(mask, uses, "both")))
        alive_out = np.logical_or.reduce(alive_outputs)
        alive_in = np.logical_or.reduce(alive_inputs)
        return LayerConnectivity(
            layer=self.name,
            size=self.size,
            kept=self.kept,
            effective_output=output_count,
            effective_both=both_count,
            outputs=alive_out.size,
            dead_outputs=int(np.count_nonzero(~alive_out)),
            inputs=alive_in.size,
            dead_inputs=int(np.count_nonzero(~alive_in)),
            padding_only=None if self.padding_only is None else self.padding_only[0],
            padding_only_kept=None if self.padding_only is None else self.padding_only[1],
            uses=uses,
        )

    def warning(self) -> str | None:
        """Say that a map is smaller than its kernel needs."""
        if self.padding_only is None or self.padding_only[0] == 0:
            return None
        small, kernel = (
            "x".join(map(str, sizes))
            for sizes in (self.nodes[0].in_map or (), self.nodes[0].kernel)
        )
        lost, kept = self.padding_only
        return (
            f"layer {printable(self.name)}: a {kernel} kernel on a {small} map: {lost} of "
            f"{self.size} weights only ever meet padding ({kept} of them kept)"
        )


def _forward(
    nodes: Sequence[Node], links: Mapping[str, Link | DenseLink], *, biases: bool
) -> dict[str, BoolArray]:
    """Return per node the units that the input, or a bias, reaches."""
    live: dict[str, BoolArray] = {}
    for node in nodes:
        sources = [live[name] for name in node.inputs]
        if node.op == "input" or (biases and node.bias):
            live[node.name] = np.ones(node.units, bool)
        elif node.op in ("conv", "linear"):
            live[node.name] = links[node.name].forward(sources[0])
        elif node.op == "add":
            live[node.name] = np.logical_or.reduce(sources)
        elif node.op == "concat":
            live[node.name] = np.concatenate(sources)
        elif node.op == "flatten":
            live[node.name] = np.repeat(sources[0], node.area)
        else:
            live[node.name] = sources[0]
    return live


def _backward(nodes: Sequence[Node], links: Mapping[str, Link | DenseLink]) -> dict[str, BoolArray]:
    """Return per node the units that reach an output."""
    live = {node.name: np.full(node.units, node.op == "output") for node in nodes}
    for node in reversed(nodes):
        target, start = live[node.name], 0
        for name in node.inputs:
            if node.op in ("conv", "linear"):
                live[name] |= links[node.name].backward(target)
            elif node.op == "concat":
                live[name] |= target[start : start + live[name].size]
                start += live[name].size
            elif node.op == "flatten":
                live[name] |= target.reshape(-1, node.area).any(axis=1)
            else:
                live[name] |= target
    return live


def connectivity(
    graph: object,
    masks: Mapping[str, BoolArray],
    *,
    shapes: Mapping[str, Sequence[int]] | None = None,
    bias: Literal["ignore", "keeps-alive"] = "ignore",
    exclude_padding_taps: bool = False,
) -> Connectivity:
    """Count effective weights and dead units, layer by layer.

    Parameters
    ----------
    graph
        Nodes as `maskstat.graph.nodes` describes them.
    masks
        Bool mask of each layer. Each is asked for once (a layer that the graph applies several
        times, twice), so a mapping that unpacks on access keeps one layer in memory at a time.
    shapes
        Layers to analyse and their shapes; those of `masks` by default.
    bias
        ``ignore``: a unit that the input does not reach is dead. ``keeps-alive``: a unit with a
        bias emits a constant, so the weights that read it have an effect.
    exclude_padding_taps
        Count weights that only ever meet padding as not effective (where map sizes are known).

    Returns
    -------
    Connectivity
        Counts by both rules, dead units, warnings.

    Raises
    ------
    InputError
        ``bad-graph``.
    LayoutMismatchError
        A mask has not the shape that `shapes` states.

    Notes
    -----
    The unit of reachability is the channel: a weight counts as connected if any of its channel's
    positions could carry a signal. Convolutions connect two channels by any kept tap.

    Examples
    --------
    >>> import numpy as np
    >>> from maskstat.stats.chain import chain_graph
    >>> masks = {"a": np.array([[1, 1], [1, 0]], bool), "b": np.array([[1, 0]], bool)}
    >>> guess = chain_graph([(name, mask.shape) for name, mask in masks.items()])
    >>> [(row.kept, row.effective_both) for row in connectivity(guess.graph, masks).layers]
    [(3, 2), (1, 1)]
    """
    if shapes is None:
        shapes = {name: mask.shape for name, mask in masks.items()}
    nodes = check_graph(graph, shapes)
    applied = [node for node in nodes if node.op in ("conv", "linear")]
    links: dict[str, Link | DenseLink] = {n.name: DenseLink(n) for n in applied if n.layer is None}
    layers = []
    for name, shape in shapes.items():
        mask = masks[name]
        if mask.shape != tuple(shape):
            raise LayoutMismatchError(
                f"the mask has shape {mask.shape}, not {tuple(shape)}",
                code="shape-mismatch",
                place=f"layer '{name}'",
            )
        uses = [node for node in applied if node.layer == name]
        layer = _Layer(name, uses, mask, cut=exclude_padding_taps)
        links.update((node.name, link) for node, link in zip(uses, layer.links, strict=True))
        layers.append(layer)
    forward = _forward(nodes, links, biases=bias == "keeps-alive")
    backward = _backward(nodes, links)
    notes = [layer.warning() for layer in layers]
    return Connectivity(
        layers=tuple(layer.result(forward, backward, masks) for layer in layers),
        units={
            node.name: (int(np.count_nonzero(forward[node.name] & backward[node.name])), node.units)
            for node in nodes
        },
        warnings=tuple(note for note in notes if note is not None),
    )
