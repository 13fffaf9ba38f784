"""Overlap of tickets after the best relabelling of hidden units, beside matched chance."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from maskstat.errors import UsageError
from maskstat.mask import Mask
from maskstat.stats.comparands import Subject, comparands
from maskstat.stats.connect import graph_of
from maskstat.stats.matched_overlap import MatchedOverlap, MatchedTickets, matched_overlap
from maskstat.stats.matching import Link
from maskstat.stats.pairs import PairCounts, count_pairs, parse_pairs
from maskstat.stats.unit_links import unit_links
from maskstat.table import Cell, Column, Table

__all__ = ["MATCH_COLUMNS", "matched"]

MATCH_COLUMNS = {
    "a": Column("text", "first input"),
    "b": Column("text", "second input, whose units are relabelled"),
    "iteration_a": Column("integer", "pruning iteration of the first mask"),
    "iteration_b": Column("integer", "pruning iteration of the second mask"),
    "layer": Column("text", "layer, or 'total' for all of them"),
    "size": Column("integer", "weights"),
    "kept_a": Column("integer", "weights the first mask keeps"),
    "kept_b": Column("integer", "weights the second mask keeps"),
    "units": Column("integer", "output units of the layer that may be relabelled"),
    "moved": Column("integer", "units that the best relabelling moves"),
    "shared": Column("integer", "weights both keep as they are"),
    "matched": Column("integer", "weights both keep after relabelling"),
    "jaccard": Column("number", "shared / union as they are; 1 if both masks are empty"),
    "matched_jaccard": Column("number", "matched / union after relabelling"),
    "expected": Column("number", "mean of matched over random masks that are matched as well"),
    "sd": Column("number", "its standard deviation over them"),
    "z": Column("number", "(matched - expected) / sd"),
    "log10_p": Column("number", "log10 of the one-sided Monte Carlo p, (1 + above)/(1 + draws)"),
    "draws": Column("integer", "pairs of random masks"),
    "note": Column("text", "same-run, graph-guessed, or in words"),
}


def matched(
    *subjects: Subject,
    iteration: str | int = "last",
    pairs: str = "all",
    draws: int = 199,
    seed: int = 0,
) -> Table:
    """Compare masks after relabelling hidden units, against random masks treated alike.

    Parameters
    ----------
    *subjects
        Two or more runs, masks, or runs with an iteration.
    iteration
        ``last``, ``all``, a number or a range ``A-B``.
    pairs
        ``all``, ``first``, or positions from 1 such as ``1:2,1:3``.
    draws
        Pairs of random masks for each pair, at least 2. The smallest possible p is
        1 / (1 + draws).
    seed
        Seed of the random masks, the same for every pair.

    Returns
    -------
    Table
        A row a pair, iteration and layer, then the pair's total.

    Raises
    ------
    UsageError
        Fewer than two masks, or an option that cannot be used.
    LayoutMismatchError
        The layers differ.
    NotFoundError
        There is no such iteration or input.
    InputError
        ``bad-graph``: no graph is known, and the layers do not make a chain.

    Notes
    -----
    Grosse & Backes (2020), 3.3, ask whether tickets are one network with its hidden units in
    another order. Matching finds overlap in anything, so the null is matched as well: random
    masks, uniform within every layer and of the same sizes. See `matched_overlap`.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> first, last = rng.random((20, 30)) < 0.2, rng.random((5, 20)) < 0.2
    >>> order = rng.permutation(20)
    >>> a = Mask.from_arrays({"fc1": first, "fc2": last}, label="a")
    >>> b = Mask.from_arrays({"fc1": first[order], "fc2": last[:, order]}, label="b")
    >>> total = matched(a, b, draws=99).where(layer="total")[0]
    >>> total["matched"] == total["kept_a"] > total["shared"], round(10 ** total["log10_p"], 6)
    (True, 0.01)
    """
    chosen = comparands(subjects, iteration=iteration)
    if len(chosen) < 2:
        raise UsageError(
            f"{len(chosen)} mask is given",
            code="too-few-masks",
            consequence="a comparison takes two or more",
            hint="maskstat compare a.h5 b.h5 --match units",
        )
    counts = count_pairs(chosen, parse_pairs(pairs, len(chosen)))
    links, guessed = _links(counts)
    rows: list[dict[str, Cell]] = []
    for pair in range(len(counts.a)):
        first, second = (counts.masks[side[pair]] for side in (counts.mask_a, counts.mask_b))
        found = matched_overlap(
            _arrays(first),
            _arrays(second),
            links,
            rng=np.random.default_rng(seed),
            draws=draws,
        )
        where: dict[str, Cell] = {
            "a": chosen[counts.a[pair]].label,
            "b": chosen[counts.b[pair]].label,
            "iteration_a": counts.iteration_a[pair],
            "iteration_b": counts.iteration_b[pair],
        }
        rows.extend(
            where | row
            for row in _rows(
                found, counts.layout.names, same_run=counts.same_run(pair), guessed=guessed
            )
        )
    return Table(
        schema="maskstat.match/1",
        columns=MATCH_COLUMNS,
        data={name: [row[name] for row in rows] for name in MATCH_COLUMNS},
        inputs=[one.record() for one in chosen],
        parameters={
            "iteration": str(iteration),
            "pairs": pairs,
            "match": "units",
            "null": "uniform within each layer, matched",
            "draws": draws,
            "seed": seed,
        },
    )


def _links(counts: PairCounts) -> tuple[tuple[Link, ...], str]:
    """Read the links off the first stored graph of these layers, else off a chain of them."""
    stored = [one.run.layout for one in counts.comparands if one.run is not None]
    layout = next((s for s in stored if s == counts.layout and s.graph), counts.layout)
    nodes, guess = graph_of(layout)
    return unit_links(nodes, {layer.name: layer.shape for layer in layout.layers}), guess


def _arrays(mask: Mask) -> list[np.ndarray[Any, np.dtype[np.bool_]]]:
    return [mask.layer(name) for name in mask.layout.names]


def _rows(
    found: MatchedTickets, names: Sequence[str], *, same_run: bool, guessed: str
) -> list[dict[str, Cell]]:
    """One row a layer, then the total."""
    units = [None if order is None else order.size for order in found.matching.orders]
    moved = [
        None if order is None else int(np.count_nonzero(order != np.arange(order.size)))
        for order in found.matching.orders
    ]
    total_units, total_moved = (sum(n for n in side if n is not None) for side in (units, moved))
    words = [
        "same-run" if same_run else "",
        guessed,
        "" if total_units else "no unit may be relabelled",
    ]
    return [
        *(
            {
                "layer": name,
                "units": units[index],
                "moved": moved[index],
                **_cells(found.layers[index], same_run=same_run),
                "note": "same-run" if same_run else ("graph-guessed" if guessed else None),
            }
            for index, name in enumerate(names)
        ),
        {
            "layer": "total",
            "units": total_units,
            "moved": total_moved,
            **_cells(found.total, same_run=same_run),
            "note": "; ".join(filter(None, words)) or None,
        },
    ]


def _cells(overlap: MatchedOverlap, *, same_run: bool) -> dict[str, Cell]:
    both = overlap.kept_a + overlap.kept_b
    return {
        "size": overlap.size,
        "kept_a": overlap.kept_a,
        "kept_b": overlap.kept_b,
        "shared": overlap.shared,
        "matched": overlap.matched,
        "jaccard": overlap.shared / (both - overlap.shared) if both else 1.0,
        "matched_jaccard": overlap.matched / (both - overlap.matched) if both else 1.0,
        "expected": overlap.expected,
        "sd": overlap.sd,
        "z": None if same_run else overlap.z,
        "log10_p": None if same_run else overlap.log10_p,
        "draws": overlap.draws,
    }
