"""Weights that all masks of a group keep, and weights that none of them keeps, beside chance."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from maskstat.bits import IntArray
from maskstat.errors import InputError, UsageError
from maskstat.mask import Mask
from maskstat.selection import listed
from maskstat.stats.comparands import Comparand, Subject, comparands
from maskstat.stats.consensus_bins import BinMoments, bin_moments, total_bin_moments
from maskstat.stats.grosse_baseline import (
    GrosseBaseline,
    figure4_never,
    figure4_shared,
    grosse_never,
    grosse_shared,
)
from maskstat.stats.summary import group_values
from maskstat.table import Cell, Column, Table
from maskstat.votes import vote_histogram

__all__ = ["SHARED_COLUMNS", "shared_and_never"]

SHARED_COLUMNS = {
    "group": Column("text", "value of the key that runs are grouped by; empty without one"),
    "iteration": Column("integer", "pruning iteration; empty where it differs in the group"),
    "layer": Column("text", "layer, or 'total' for all of them"),
    "size": Column("integer", "weights in the layer"),
    "masks": Column("integer", "masks in the group"),
    "kept": Column("number", "mean weights that a mask keeps"),
    "kind": Column("text", "shared: kept by all masks; never: kept by none"),
    "weights": Column("integer", "how many weights that is"),
    "expected": Column("number", "exact expectation for masks of the same sizes in each layer"),
    "sd": Column("number", "exact standard deviation under the same null"),
    "normalized": Column(
        "number",
        "shared: share of the smallest mask; never: share of what disjoint masks could cover "
        "(Grosse & Backes 2020, Figure 4)",
    ),
    "normalized_expected": Column("number", "the same of the expectation"),
    "normalized_sd": Column("number", "the same scale of the standard deviation"),
    "baseline_mean": Column("number", "mean by Grosse & Backes (2020), Eq. 4 and cumulative Eq. 6"),
    "baseline_printed_mean": Column("number", "mean by their formula letter by letter"),
    "baseline_half_width": Column("number", "their spread as printed; no valid spread"),
    "normalized_baseline": Column("number", "baseline_mean on the scale of normalized"),
    "normalized_half_width": Column("number", "baseline_half_width on the same scale"),
}


def shared_and_never(
    *subjects: Subject,
    group_by: str | None = None,
    iteration: str | int = "all",
    layers: str | Sequence[str] = (),
) -> Table:
    """Count the weights that all masks of a group keep, and those that none keeps.

    Parameters
    ----------
    *subjects
        Runs, masks, or runs with an iteration.
    group_by
        A key of `maskstat.stats.summary.GROUP_KEYS`: runs that agree in it make a group. None
        makes one group of all.
    iteration
        ``last``, ``all``, a number or a range ``A-B``. With several, the masks of each iteration
        that all runs of a group have are counted together.
    layers
        Glob of the layers to look at, or several; none means all. The total is over these.

    Returns
    -------
    Table
        Two rows a group, iteration and layer, layers in network order, then the total.

    Raises
    ------
    UsageError
        A group has one run only, there is no such key, or a run does not have it.
    InputError
        The runs of a group have no chosen iteration in common.
    LayoutMismatchError
        The layers differ.

    Notes
    -----
    Grosse & Backes (2020), Figure 4 and Appendix B. Expectation and standard deviation are exact
    for fixed mask sizes, uniform within layers; the paper's baseline stands beside them, see
    `maskstat.stats.grosse_baseline`. Tests are in `maskstat.consensus`.

    Examples
    --------
    >>> masks = [Mask.from_arrays({"fc": bits}) for bits in ([1, 1, 0, 0], [1, 0, 1, 0])]
    >>> for row in shared_and_never(*masks).where(layer="fc"):
    ...     print(row["kind"], row["weights"], row["expected"], row["normalized"])
    shared 1 1.0 0.5
    never 1 1.0 0.25
    """
    chosen = comparands(subjects, iteration=iteration, layers=layers)
    inputs = [one.record() for one in chosen]
    rows: list[dict[str, Cell]] = []
    for value, members in _groups(chosen, inputs, group_by).items():
        if len(members) < 2:
            raise UsageError(
                f"{len(members)} mask is in its group",
                code="too-few-masks",
                place=members[0].label,
                consequence="what masks share takes two or more",
                hint="--group-by init_seed, or none",
            )
        for at, masks in _together(members):
            where: dict[str, Cell] = {"group": value, "iteration": at, "masks": len(masks)}
            rows.extend(where | row for row in _rows(masks))
    return Table(
        schema="maskstat.shared/1",
        columns=SHARED_COLUMNS,
        data={name: [row[name] for row in rows] for name in SHARED_COLUMNS},
        inputs=inputs,
        parameters={"iteration": str(iteration), "layers": listed(layers), "group_by": group_by},
    )


def _groups(
    chosen: Sequence[Comparand], inputs: Sequence[dict[str, Any]], key: str | None
) -> dict[str | None, list[Comparand]]:
    if key is None:
        return {None: list(chosen)}
    value_of = group_values(Table(schema="", columns={}, data={}, inputs=inputs), key)
    groups: dict[str | None, list[Comparand]] = {}
    for one in chosen:
        groups.setdefault(str(value_of[one.label]), []).append(one)
    return groups


def _together(members: Sequence[Comparand]) -> Iterator[tuple[int | None, list[Mask]]]:
    """Give the masks that are counted together, and the iteration that they share."""
    if all(len(one.masks) == 1 for one in members):
        found = [next(iter(one.masks.items())) for one in members]
        iterations = {iteration for iteration, _ in found}
        yield iterations.pop() if len(iterations) == 1 else None, [mask for _, mask in found]
        return
    common = [t for t in members[0].masks if all(t in one.masks for one in members)]
    if not common:
        raise InputError(
            "it has no iteration in common with the inputs beside it",
            code="no-common-iteration",
            place=members[0].label,
            consequence="there are no masks to count together",
            hint="--iteration last, or an iteration after each input: a.h5@3",
        )
    for iteration in common:
        yield iteration, [one.masks[iteration] for one in members]


def _rows(masks: Sequence[Mask]) -> Iterator[dict[str, Cell]]:
    """Count the layers, then the total."""
    layout = masks[0].layout
    histogram = vote_histogram(masks, layout.edges, layout.sizes)
    kept = np.stack([mask.kept for mask in masks])
    layers = [(int(size), kept[:, i].tolist()) for i, size in enumerate(layout.sizes)]
    for name, counts, (size, sizes) in zip(layout.names, histogram, layers, strict=True):
        baselines = grosse_shared(size, sizes), grosse_never(size, sizes)
        yield from _both(name, size, sizes, counts, bin_moments(size, sizes), baselines)
    total = histogram.sum(axis=0)
    sizes = kept.sum(axis=1).tolist()
    yield from _both("total", layout.size, sizes, total, total_bin_moments(layers), (None, None))


def _both(
    layer: str,
    size: int,
    sizes: Sequence[int],
    counts: IntArray,
    moments: BinMoments,
    baselines: tuple[GrosseBaseline | None, GrosseBaseline | None],
) -> Iterator[dict[str, Cell]]:
    sd = np.sqrt(np.maximum(np.diag(moments.cov), 0))
    sd = np.where(sd > 1e-9 * np.sqrt(size), sd, 0)
    for kind, votes, baseline in (
        ("shared", len(sizes), baselines[0]),
        ("never", 0, baselines[1]),
    ):
        weights, expected = int(counts[votes]), float(moments.mean[votes])
        mean = baseline.mean if baseline else None
        half_width = baseline.spreads[0].half_width if baseline else None
        yield {
            "layer": layer,
            "size": size,
            "kept": sum(sizes) / len(sizes),
            "kind": kind,
            "weights": weights,
            "expected": expected,
            "sd": float(sd[votes]),
            "normalized": _normalized(kind, weights, size, sizes),
            "normalized_expected": _normalized(kind, expected, size, sizes),
            "normalized_sd": _scaled(kind, float(sd[votes]), size, sizes),
            "baseline_mean": mean,
            "baseline_printed_mean": baseline.printed_mean if baseline else None,
            "baseline_half_width": half_width,
            "normalized_baseline": _normalized(kind, mean, size, sizes),
            "normalized_half_width": _scaled(kind, half_width, size, sizes),
        }


def _normalized(kind: str, value: float | None, size: int, sizes: Sequence[int]) -> float | None:
    if value is None:
        return None
    if kind == "shared":
        return figure4_shared(value, sizes)
    return figure4_never(value, size, sizes).of_coverable


def _scaled(kind: str, value: float | None, size: int, sizes: Sequence[int]) -> float | None:
    """Bring a width to the scale of `_normalized`, which may have another origin."""
    most = min(sizes) if kind == "shared" else min(size, sum(sizes))
    return value / most if value is not None and most else None
