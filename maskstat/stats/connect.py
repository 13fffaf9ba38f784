"""Explicit and effective sparsity of runs: what is kept, and what of it still has an effect."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, TypeAlias, get_args

from maskstat.errors import UsageError, closest, printable
from maskstat.graph.connectivity import Connectivity, LayerConnectivity
from maskstat.graph.connectivity import connectivity as reachable
from maskstat.layout import Layout
from maskstat.mask import Mask
from maskstat.selection import listed
from maskstat.stats._stored import MaskLayers
from maskstat.stats.chain import chain_graph
from maskstat.stats.comparands import Subject, each_alone
from maskstat.table import Cell, Column, Table

__all__ = ["CONNECTIVITY_COLUMNS", "SELDOM", "Bias", "Graph", "connectivity", "graph_of"]

Bias: TypeAlias = Literal["ignore", "keeps-alive"]
Graph: TypeAlias = Sequence[Mapping[str, Any]]

CONNECTIVITY_COLUMNS = {
    "run": Column("text", "where the mask was read from"),
    "iteration": Column("integer", "pruning iteration"),
    "layer": Column("text", "layer, or 'total' for all of them"),
    "size": Column("integer", "prunable weights"),
    "kept": Column("integer", "weights that the mask keeps"),
    "sparsity": Column("number", "explicit: 1 - kept / size"),
    "effective_output": Column("integer", "kept weights whose unit reaches the output"),
    "effective_both": Column("integer", "kept weights on a path from the input to the output"),
    "effective_sparsity_output": Column("number", "1 - effective_output / size"),
    "effective_sparsity_both": Column("number", "1 - effective_both / size"),
    "outputs": Column("integer", "output units or channels"),
    "dead_outputs": Column("integer", "of them, those that no signal passes to the output"),
    "inputs": Column("integer", "input units or channels"),
    "dead_inputs": Column("integer", "of them, those that no effective weight here reads"),
    "padding_only": Column("integer", "weights that meet padding only; empty if maps are unknown"),
    "padding_only_kept": Column("integer", "of them, those that are kept"),
    "note": Column("text", "graph-guessed, small-map, or in words"),
}

SELDOM = (
    "effective_output", "effective_both", "outputs", "inputs", "padding_only", "padding_only_kept",
)  # fmt: skip
"""Columns that a terminal's table leaves out."""

_SUMMED = (
    "size", "kept", "effective_output", "effective_both", "outputs", "dead_outputs", "inputs",
    "dead_inputs", "padding_only", "padding_only_kept",
)  # fmt: skip


def connectivity(
    *subjects: Subject,
    iteration: str | int = "last",
    bias: Bias = "ignore",
    layers: str | Sequence[str] = (),
    graph: Graph | None = None,
    exclude_padding: bool = False,
) -> Table:
    """Count the weights that pruning left on paths through the network.

    Parameters
    ----------
    *subjects
        Runs, masks, or runs with an iteration. Their networks may differ.
    iteration
        ``last``, ``all``, a number or a range ``A-B``.
    bias
        ``ignore``: a unit that the input does not reach is dead. ``keeps-alive``: a unit with a
        bias emits a constant, so the weights that read it have an effect.
    layers
        Glob of the layers to show, or several; none means all. The total is over these; paths
        always run through the whole network.
    graph
        The network's operations, see `maskstat.graph.nodes`; None takes the one stored
        with the run or, where there is none, one chain of the layers.
    exclude_padding
        Count weights that only ever meet padding as not effective, where map sizes are known.

    Returns
    -------
    Table
        A row a mask and layer, then the total.

    Raises
    ------
    InputError
        ``bad-graph``: the graph does not fit the layers, or the layers do not make a chain.
    NotFoundError
        There is no such iteration or layer.
    UsageError
        There are no subjects, or no such rule for biases.

    Notes
    -----
    Rule ``output``: Paganini & Forde (2020), Appendix C, weights that are "not disconnected from
    the output". Rule ``both``: Vysogorets & Kempe (2021), weights on a path from input to output.
    Biases and other values that are never pruned count in neither size nor kept.

    Examples
    --------
    >>> masks = {"fc1": [[1, 1], [1, 0]], "fc2": [[1, 0]]}
    >>> table = connectivity(Mask.from_arrays(masks, label="mine"))
    >>> [(row["layer"], row["kept"], row["effective_both"]) for row in table]
    [('fc1', 3, 2), ('fc2', 1, 1), ('total', 4, 3)]
    """
    if bias not in get_args(Bias):
        raise UsageError(
            f"there is no rule {bias!r} for biases",
            code="unknown-bias-rule",
            consequence=closest(str(bias), get_args(Bias)),
        )
    chosen = each_alone(subjects, iteration=iteration)
    rows: list[dict[str, Cell]] = []
    for one in chosen:
        nodes, guess = graph_of(one.layout, graph)
        names = one.layout.names
        if layers:
            names = tuple(names[index] for index in one.layout.select(layers))
        for t, mask in one.masks.items():
            found = _analysed(mask, nodes, bias=bias, exclude_padding=exclude_padding)
            rows.extend(
                {"run": one.label, "iteration": t, **row} for row in _rows(found, names, guess)
            )
    return Table(
        schema="maskstat.connectivity/1",
        columns=CONNECTIVITY_COLUMNS,
        data={name: [row[name] for row in rows] for name in CONNECTIVITY_COLUMNS},
        inputs=[one.record() for one in chosen],
        parameters={
            "iteration": str(iteration),
            "layers": listed(layers),
            "bias": bias,
            "graph": "given" if graph is not None else "stored, else a chain of the layers",
            "exclude_padding": exclude_padding,
        },
    )


def graph_of(layout: Layout, graph: Graph | None = None) -> tuple[object, str]:
    """Find the graph of a network: the given one, the stored one, or a guess from the shapes.

    Parameters
    ----------
    layout
        The layers, with the graph where it was traced.
    graph
        Outranks the stored one.

    Returns
    -------
    tuple of object and str
        The graph, not checked yet, and what a guess rests on; empty if nothing was guessed.

    Raises
    ------
    InputError
        ``bad-graph``: no graph is known, and the layers do not make a chain.
    """
    if graph is not None:
        return graph, ""
    if layout.graph:
        return [dict(node) for node in layout.graph], ""
    guess = chain_graph([(layer.name, layer.shape) for layer in layout.layers])
    return guess.graph, guess.warning


def _analysed(mask: Mask, nodes: object, *, bias: Bias, exclude_padding: bool) -> Connectivity:
    shapes = {layer.name: layer.shape for layer in mask.layout.layers}
    return reachable(
        nodes,
        MaskLayers(mask),
        shapes=shapes,
        bias=bias,
        exclude_padding_taps=exclude_padding,
    )


def _rows(found: Connectivity, names: Sequence[str], guess: str) -> list[dict[str, Cell]]:
    """One row a chosen layer, then the total."""
    counted = {layer.layer: _counts(layer) for layer in found.layers if layer.layer in names}
    total = {key: _sum([row[key] for row in counted.values()]) for key in _SUMMED}
    small = {name: bool(row["padding_only"]) for name, row in counted.items()}
    short = ["graph-guessed"] if guess else []
    rows: list[dict[str, Cell]] = [
        {
            "layer": name,
            **row,
            **_shares(row),
            "note": "; ".join([*short, *(["small-map"] if small[name] else [])]) or None,
        }
        for name, row in counted.items()
    ]
    warnings = [text for text in found.warnings if any(_about(text, n) for n in names)]
    words = "; ".join([*([guess] if guess else []), *warnings]) or None
    return [*rows, {"layer": "total", **total, **_shares(total), "note": words}]


def _about(warning: str, name: str) -> bool:
    return warning.startswith(f"layer {printable(name)}: ")


def _counts(layer: LayerConnectivity) -> dict[str, int | None]:
    return {key: getattr(layer, key) for key in _SUMMED}


def _sum(values: Sequence[int | None]) -> int | None:
    known = [value for value in values if value is not None]
    return sum(known) if len(known) == len(values) else None


def _shares(row: Mapping[str, int | None]) -> dict[str, Cell]:
    """Return the sparsities of a row of counts."""
    size = row["size"]
    assert size
    shares: dict[str, Cell] = {}
    for name, key in (
        ("sparsity", "kept"),
        ("effective_sparsity_output", "effective_output"),
        ("effective_sparsity_both", "effective_both"),
    ):
        count = row[key]
        assert count is not None
        shares[name] = 1 - count / size
    return shares
