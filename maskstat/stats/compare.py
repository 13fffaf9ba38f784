"""Compare masks: overlap layer by layer and in total, beside what chance gives."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from maskstat.errors import UsageError
from maskstat.stats.chance import Chance, uniform_chance
from maskstat.stats.corrections import Correction, adjust
from maskstat.stats.jaccard import expected_jaccard, expected_jaccard_total
from maskstat.stats.pairs import PairCounts, Subject, comparands, count_pairs, parse_pairs
from maskstat.stats.pairtest import Alternative
from maskstat.table import Cell, Column, Table

__all__ = ["COMPARE_COLUMNS", "SELDOM", "compare"]

COMPARE_COLUMNS = {
    "a": Column("text", "first input"),
    "b": Column("text", "second input"),
    "iteration_a": Column("integer", "pruning iteration of the first mask"),
    "iteration_b": Column("integer", "pruning iteration of the second mask"),
    "layer": Column("text", "layer, or 'total' for all of them"),
    "null": Column("text", "chance model of this row"),
    "size": Column("integer", "weights N"),
    "kept_a": Column("integer", "weights the first mask keeps"),
    "kept_b": Column("integer", "weights the second mask keeps"),
    "shared": Column("integer", "weights both keep"),
    "union": Column("integer", "weights either keeps"),
    "jaccard": Column("number", "shared / union; 1 if both masks are empty"),
    "jaccard_distance": Column("number", "1 - jaccard"),
    "mean_jaccard": Column("number", "unweighted mean of the layers' jaccard; totals only"),
    "expected_jaccard": Column("number", "expectation of jaccard under the null, exact for layers"),
    "sd_jaccard": Column("number", "its standard deviation under the null"),
    "expected_shared": Column("number", "expected shared weights under the null"),
    "sd_shared": Column("number", "standard deviation of the shared weights under the null"),
    "low95": Column("number", "least shared weights inside the central 95 % region"),
    "high95": Column("number", "most shared weights inside the central 95 % region"),
    "low99": Column("number", "least shared weights inside the central 99 % region"),
    "high99": Column("number", "most shared weights inside the central 99 % region"),
    "lift": Column("number", "shared / expected_shared"),
    "adjusted": Column("number", "(shared - expected) / (most possible - expected): 0 chance, 1 all"),
    "z": Column("number", "(shared - expected) / sd"),
    "log10_p": Column("number", "log10 of the p-value"),
    "log10_q": Column("number", "log10 of p corrected over all tested rows"),
    "note": Column("text", "untestable, empty-union or same-run"),
}

SELDOM = ("union", "jaccard_distance", "mean_jaccard", "sd_jaccard", "sd_shared", "low99", "high99",
          "adjusted")  # fmt: skip
"""Columns that a terminal's table leaves out."""


def compare(
    *subjects: Subject,
    iteration: str | int = "last",
    layers: Sequence[str] = (),
    pairs: str = "all",
    alternative: Alternative = "two-sided",
    mid_p: bool = False,
    correction: Correction = "bh",
) -> Table:
    """Compare masks pair by pair, layer by layer and in total.

    Parameters
    ----------
    *subjects
        Two or more runs, masks, or runs with an iteration.
    iteration
        ``last``, ``all``, a number or a range ``A-B``. Several iterations are compared each with
        its own number in the other run.
    layers
        Globs of the layers to look at; none means all. The total is over these.
    pairs
        ``all``, ``first``, or positions from 1 such as ``1:2,1:3``.
    alternative
        ``two-sided`` (the smaller tail doubled), ``fisher``, ``greater`` or ``less``.
    mid_p
        Count the observed overlap half in each tail.
    correction
        ``bh``, ``holm``, ``by`` or ``none``, over all tested rows.

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
        There is no such iteration, layer or input.

    Notes
    -----
    Jaccard index: Paganini & Forde (2020), 4.1. Chance overlap: Grosse & Backes (2020), Eq. 1,
    for each layer; totals keep every layer's sizes fixed. Iterations of one run are nested by
    construction, so their overlap is not tested.

    Examples
    --------
    >>> from maskstat.mask import Mask
    >>> a = Mask.from_arrays({"fc": [1, 1, 0, 0]}, label="a")
    >>> b = Mask.from_arrays({"fc": [0, 1, 1, 0]}, label="b")
    >>> [(row["layer"], row["shared"], row["jaccard"]) for row in compare(a, b)]
    [('fc', 1, 0.3333333333333333), ('total', 1, 0.3333333333333333)]
    """
    chosen = comparands(subjects, iteration=iteration, layers=layers)
    if len(chosen) < 2:
        raise UsageError(
            f"{len(chosen)} mask is given",
            code="too-few-masks",
            consequence="a comparison takes two or more",
            hint="maskstat compare a.h5 b.h5, or a.h5@3 a.h5@7",
        )
    counts = count_pairs(chosen, parse_pairs(pairs, len(chosen)))
    chance = uniform_chance(counts, alternative=alternative, mid_p=mid_p)
    data = _columns(counts, chance, correction)
    return Table(
        schema="maskstat.compare/1",
        columns=COMPARE_COLUMNS,
        data={name: data[name] for name in COMPARE_COLUMNS},
        inputs=[one.record() for one in chosen],
        parameters={
            "iteration": str(iteration),
            "layers": list(layers),
            "pairs": pairs,
            "alternative": alternative,
            "mid_p": mid_p,
            "correction": correction,
            "tests": int((~np.isnan(np.array(data["log10_p"], np.float64))).sum()),
        },
    )


def _columns(
    counts: PairCounts, chance: Chance, correction: Correction
) -> dict[str, Sequence[Cell]]:
    """Lay (pairs, layers + total) arrays out as columns, pair by pair."""
    kept_a, kept_b, shared, union = (
        _with_total(v) for v in (counts.kept_a, counts.kept_b, counts.shared, counts.union)
    )
    n_pairs, n_rows = shared.shape
    size = np.broadcast_to([*counts.sizes, counts.sizes.sum()], shared.shape)
    same_run = np.array([counts.same_run(pair) for pair in range(n_pairs)], np.bool_)[:, None]
    empty = union == 0
    jaccard = np.where(empty, 1.0, shared / np.maximum(union, 1))
    expected_j, sd_j = _expected_jaccard(counts)
    tested = ~(chance.untestable | same_run)
    log10_p = np.where(tested, chance.log10_p, np.nan)
    notes = np.where(same_run, "same-run", np.where(chance.untestable, "untestable", ""))
    notes = np.where(empty, "empty-union", notes)
    with np.errstate(divide="ignore", invalid="ignore"):
        lift = shared / chance.expected
        z = np.where(chance.sd > 0, (shared - chance.expected) / chance.sd, np.nan)
        room = np.minimum(kept_a, kept_b) - chance.expected
        adjusted = np.where(room > 1e-9, (shared - chance.expected) / room, np.nan)
    arrays: dict[str, NDArray[Any]] = {
        "null": chance.null,
        "size": size,
        "kept_a": kept_a,
        "kept_b": kept_b,
        "shared": shared,
        "union": union,
        "jaccard": jaccard,
        "jaccard_distance": 1 - jaccard,
        "mean_jaccard": _mean_jaccard(jaccard, empty),
        "expected_jaccard": expected_j,
        "sd_jaccard": sd_j,
        "expected_shared": chance.expected,
        "sd_shared": chance.sd,
        "low95": chance.low95,
        "high95": chance.high95,
        "low99": chance.low99,
        "high99": chance.high99,
        "lift": lift,
        "adjusted": adjusted,
        "z": np.where(tested, z, np.nan),
        "log10_p": log10_p,
        "log10_q": adjust(log10_p.reshape(-1), method=correction),
    }
    labels = [one.label for one in counts.comparands]
    names = [*counts.layout.names, "total"]
    return {
        "a": [labels[a] for a in counts.a for _ in range(n_rows)],
        "b": [labels[b] for b in counts.b for _ in range(n_rows)],
        "iteration_a": [t for t in counts.iteration_a for _ in range(n_rows)],
        "iteration_b": [t for t in counts.iteration_b for _ in range(n_rows)],
        "layer": names * n_pairs,
        "note": [text or None for text in notes.reshape(-1).tolist()],
        **{name: array.reshape(-1).tolist() for name, array in arrays.items()},
    }


def _with_total(layers: NDArray[np.int64]) -> NDArray[np.int64]:
    return np.column_stack([layers, layers.sum(axis=1)])


def _mean_jaccard(jaccard: NDArray[np.float64], empty: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Mean over the layers that keep anything, on the total's row."""
    mean = np.full(jaccard.shape, np.nan)
    layers, some = jaccard[:, :-1], ~empty[:, :-1]
    counted = some.sum(axis=1)
    total = np.where(some, layers, 0).sum(axis=1)
    mean[:, -1] = np.where(counted > 0, total / np.maximum(counted, 1), 1.0)
    return mean


def _expected_jaccard(counts: PairCounts) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    layer_mean, layer_sd = expected_jaccard(counts.sizes, counts.kept_a, counts.kept_b)
    total_mean, total_sd = expected_jaccard_total(counts.sizes, counts.kept_a, counts.kept_b)
    return np.column_stack([layer_mean, total_mean]), np.column_stack([layer_sd, total_sd])
