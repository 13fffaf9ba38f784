"""Compare masks: overlap layer by layer and in total, beside what chance gives."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from maskstat.errors import UsageError
from maskstat.selection import listed
from maskstat.stats.chance import Chance
from maskstat.stats.comparands import Missing, Subject, comparands
from maskstat.stats.corrections import Correction, adjust, family_size
from maskstat.stats.evaluate import chance_under
from maskstat.stats.jaccard import jaccard, jaccard_distance, mean_of_layers
from maskstat.stats.pairs import PairCounts, count_pairs, parse_pairs
from maskstat.stats.pairtest import Alternative
from maskstat.stats.profiles import Profile, profile_layer, unit_moments
from maskstat.table import Cell, Column, Table

__all__ = ["COMPARE_COLUMNS", "SELDOM", "compare"]

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

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
    "expected_jaccard": Column("number", "expectation of jaccard under the null"),
    "sd_jaccard": Column("number", "its standard deviation under the null"),
    "expected_shared": Column("number", "expected shared weights under the null"),
    "sd_shared": Column("number", "standard deviation of the shared weights under the null"),
    "low95": Column("integer", "least shared weights inside the central 95 % region"),
    "high95": Column("integer", "most shared weights inside the central 95 % region"),
    "low99": Column("integer", "least shared weights inside the central 99 % region"),
    "high99": Column("integer", "most shared weights inside the central 99 % region"),
    "pooled_shared": Column("number", "expected if all layers were one; totals only"),
    "lift": Column("number", "shared / expected_shared"),
    "adjusted": Column("number", "(shared - expected) / (most possible - expected)"),
    "log_odds": Column("number", "ln odds ratio, 0.5 added to each cell; layers only"),
    "z": Column("number", "(shared - expected) / sd"),
    "z_row": Column("number", "z if every output unit's kept weights are fixed"),
    "z_column": Column("number", "z if every input position's kept weights are fixed"),
    "log10_p": Column("number", "log10 of the p-value"),
    "log10_q": Column("number", "log10 of p corrected over all tested rows"),
    "tests": Column("integer", "how many rows were tested: the family of the correction"),
    "min_lift": Column("number", "least lift significant at 5 %, two-sided; uniform nulls only"),
    "note": Column("text", "untestable, same-run, empty-union, neuron-density, or in words"),
}

SELDOM = (
    "union", "jaccard_distance", "mean_jaccard", "sd_jaccard", "sd_shared", "low99", "high99",
    "pooled_shared", "adjusted", "log_odds", "z_row", "z_column", "tests", "min_lift",
)  # fmt: skip
"""Columns that a terminal's table leaves out."""


def compare(
    *subjects: Subject,
    iteration: str | int = "last",
    layers: str | Sequence[str] = (),
    pairs: str = "all",
    null: str = "auto",
    alternative: Alternative = "two-sided",
    mid_p: bool = False,
    correction: Correction = "bh",
    measures: str | Sequence[str] = (),
    missing: Missing = "error",
    limit_memory: int | None = None,
    threads: int | None = None,
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
        Glob of the layers to look at, or several; none means all. The total is over these.
    pairs
        ``all``, ``first``, or positions from 1 such as ``1:2,1:3``.
    null
        Chance model, one of `maskstat.stats.nulls.NULLS`. ``auto``: layers uniform with their
        sizes fixed (``layer``), totals the sum of such layers (``stratified``), layers of which
        both masks consist of whole channels by channel.
    alternative
        ``two-sided`` (the smaller tail doubled), ``fisher`` (layers only; totals are doubled),
        ``greater`` or ``less``.
    mid_p
        Count the observed overlap half in each tail.
    correction
        ``bh``, ``holm``, ``by`` or ``none``, over all tested rows.
    measures
        More columns, one name or several of `maskstat.stats.measures.measure`.
    missing
        A layer that not all inputs have, in one shape, is an ``error``, left out (``skip``), or
        taken as ``dense`` where it is missing.
    limit_memory
        Most bytes of the buffers in which pairs are counted; by default 256 MiB.
    threads
        How many count at once where masks are in memory and large; by default as many as there
        are processor cores, at most four. The result is the same.

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
    InputError
        The null does not apply to these masks.

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
    chosen = comparands(subjects, iteration=iteration, layers=layers, missing=missing)
    if len(chosen) < 2:
        raise UsageError(
            f"{len(chosen)} mask is given",
            code="too-few-masks",
            consequence="a comparison takes two or more",
            hint="maskstat compare a.h5 b.h5, or a.h5@3 a.h5@7",
        )
    counts = count_pairs(
        chosen, parse_pairs(pairs, len(chosen)), limit_memory=limit_memory, threads=threads
    )
    profiles = _profiles(counts)
    chance = chance_under(counts, null, profiles, alternative=alternative, mid_p=mid_p)
    data = _columns(counts, chance, profiles, correction)
    columns = dict(COMPARE_COLUMNS)
    for name in listed(measures):
        column = name.replace("-", "_")
        columns[column] = Column("number", f"measure '{name}'")
        data[column] = _measured(counts, name)
    return Table(
        schema="maskstat.compare/1",
        columns=columns,
        data={name: data[name] for name in columns},
        inputs=[one.record() for one in chosen],
        parameters={
            "iteration": str(iteration),
            "layers": listed(layers),
            "pairs": pairs,
            "null": null,
            "alternative": alternative,
            "mid_p": mid_p,
            "correction": correction,
            "missing": missing,
            "tests": data["tests"][0] if data["tests"] else 0,
        },
    )


def _columns(
    counts: PairCounts, chance: Chance, profiles: Mapping[str, Profile], correction: Correction
) -> dict[str, Sequence[Cell]]:
    """Lay (pairs, layers + total) arrays out as columns, pair by pair."""
    kept_a, kept_b, shared, union = (
        _with_total(v) for v in (counts.kept_a, counts.kept_b, counts.shared, counts.union)
    )
    n_pairs, n_rows = shared.shape
    same_run = np.array([counts.same_run(pair) for pair in range(n_pairs)], np.bool_)[:, None]
    tested = ~(chance.untestable | same_run)
    # A certain p may miss 1 by rounding.
    certain = chance.log10_p > -1e-12
    log10_p = np.where(tested, np.where(certain, 0.0, chance.log10_p), np.nan)
    overlap = jaccard(shared, kept_a, kept_b)
    most = _with_total(np.minimum(counts.kept_a, counts.kept_b))
    room = most - chance.expected
    excess = shared - chance.expected
    z = np.where(tested, _ratio(excess, chance.sd), np.nan)
    z_row, z_column = (np.where(tested, v, np.nan) for v in _unit_z(counts, profiles, shared))
    arrays: dict[str, NDArray[Any]] = {
        "null": chance.null,
        "size": np.broadcast_to([*counts.sizes, counts.sizes.sum()], shared.shape),
        "kept_a": kept_a,
        "kept_b": kept_b,
        "shared": shared,
        "union": union,
        "jaccard": overlap,
        "jaccard_distance": jaccard_distance(shared, kept_a, kept_b),
        "mean_jaccard": _on_totals(
            mean_of_layers(counts.shared, counts.kept_a, counts.kept_b), shared.shape
        ),
        "expected_jaccard": chance.expected_jaccard,
        "sd_jaccard": chance.sd_jaccard,
        "expected_shared": chance.expected,
        "sd_shared": chance.sd,
        "pooled_shared": _on_totals(
            kept_a[:, -1] / counts.sizes.sum() * kept_b[:, -1], shared.shape
        ),
        "lift": _ratio(shared, chance.expected),
        "adjusted": _ratio(excess, np.where(room > 1e-9, room, 0)),
        "log_odds": np.column_stack([_log_odds(counts), np.full(n_pairs, np.nan)]),
        "z": z,
        "z_row": z_row,
        "z_column": z_column,
        "log10_p": log10_p,
        "log10_q": adjust(log10_p.reshape(-1), method=correction),
        "tests": np.full(shared.shape, family_size(log10_p)),
        "min_lift": _least_lift(most, chance),
    }
    labels = [one.label for one in counts.comparands]
    return {
        "a": [labels[a] for a in counts.a for _ in range(n_rows)],
        "b": [labels[b] for b in counts.b for _ in range(n_rows)],
        "iteration_a": [t for t in counts.iteration_a for _ in range(n_rows)],
        "iteration_b": [t for t in counts.iteration_b for _ in range(n_rows)],
        "layer": [*counts.layout.names, "total"] * n_pairs,
        **{
            name: [None if np.isnan(n) else int(n) for n in getattr(chance, name).flat]
            for name in ("low95", "high95", "low99", "high99")
        },
        "note": _notes(chance, same_run, union == 0, z, z_row, z_column),
        **{name: array.reshape(-1).tolist() for name, array in arrays.items()},
    }


def _notes(
    chance: Chance, same_run: Bools, empty: Bools, z: Floats, z_row: Floats, z_column: Floats
) -> list[str | None]:
    """Say of each row what a reader has to know."""
    with np.errstate(invalid="ignore"):
        explained = np.fmin(np.abs(z_row), np.abs(z_column)) < 0.5 * np.abs(z)
        density = (np.abs(z) > 3) & explained & (chance.null == "layer")
    said = [
        (empty, "empty-union"),
        (np.broadcast_to(same_run, empty.shape), "same-run"),
        (chance.untestable, "untestable"),
        (density, "neuron-density"),
    ]
    notes: list[str | None] = []
    for cell in np.ndindex(*empty.shape):
        word = next((word for where, word in said if where[cell]), "")
        notes.append(word or str(chance.note[cell]) or None)
    return notes


def _least_lift(most: NDArray[np.int64], chance: Chance) -> Floats:
    """Return the least overlap above the central 95 % region, as a multiple of chance."""
    known = np.isin(chance.null, ("layer", "stratified", "pooled")) & (chance.high95 < most)
    return np.where(known, _ratio(chance.high95 + 1, chance.expected), np.nan)


def _ratio(numerator: NDArray[Any], denominator: Floats) -> Floats:
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(denominator > 0, numerator / denominator, np.nan)


def _with_total(layers: NDArray[np.int64]) -> NDArray[np.int64]:
    return np.column_stack([layers, layers.sum(axis=1)])


def _on_totals(values: Floats, shape: tuple[int, ...]) -> Floats:
    """Put one value a pair on its total's row."""
    column = np.full(shape, np.nan)
    column[:, -1] = values
    return column


def _profiles(counts: PairCounts) -> dict[str, Profile]:
    found = {name: profile_layer(counts.masks, name) for name in counts.layout.names}
    return {name: profile for name, profile in found.items() if profile is not None}


def _unit_z(
    counts: PairCounts, profiles: Mapping[str, Profile], shared: NDArray[np.int64]
) -> tuple[Floats, Floats]:
    """Return z by rows and z by columns, totals included where every layer has a profile."""
    scores: list[Floats] = []
    for side in ("rows", "columns"):
        mean, variance = np.full(shared.shape, np.nan), np.full(shared.shape, np.nan)
        for index, layer in enumerate(counts.layout.layers):
            if layer.name in profiles:
                kept = getattr(profiles[layer.name], side)
                mean[:, index], variance[:, index] = unit_moments(
                    kept, layer.size // kept.shape[1], counts.mask_a, counts.mask_b
                )
        mean[:, -1], variance[:, -1] = mean[:, :-1].sum(axis=1), variance[:, :-1].sum(axis=1)
        scores.append(_ratio(shared - mean, np.sqrt(variance)))
    return scores[0], scores[1]


def _log_odds(counts: PairCounts) -> Floats:
    from maskstat.stats.measures import measure

    return measure("log-odds", counts.shared, counts.sizes, counts.kept_a, counts.kept_b)


def _measured(counts: PairCounts, name: str) -> list[float]:
    from maskstat.stats.measures import measure

    sizes = np.broadcast_to(counts.sizes, counts.shared.shape)
    values = measure(
        name,
        *(_with_total(v) for v in (counts.shared, sizes, counts.kept_a, counts.kept_b)),
    )
    return values.reshape(-1).tolist()
