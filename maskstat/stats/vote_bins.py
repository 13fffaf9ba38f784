"""Rows of a consensus: every number of votes, layer by layer, beside what chance gives."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from maskstat.bits import IntArray
from maskstat.layout import Layout
from maskstat.stats.consensus_bins import (
    BinMoments,
    bin_log_p,
    bins_omnibus,
    layer_bin_moments,
    summed_bin_moments,
)
from maskstat.stats.grosse_baseline import figure4_never, figure4_shared
from maskstat.stats.multiway import (
    kept_by_none_log_tails,
    shared_by_all_log_tails,
    total_kept_by_none_log_tails,
    total_shared_by_all_log_tails,
)
from maskstat.table import Cell, Column

__all__ = ["BASELINE_COLUMNS", "CONSENSUS_COLUMNS", "baseline_columns", "vote_bins"]

CONSENSUS_COLUMNS = {
    "layer": Column("text", "layer, or 'total' for all of them"),
    "size": Column("integer", "weights in the layer"),
    "masks": Column("integer", "number of masks N"),
    "votes": Column("integer", "a weight is here if exactly this many masks keep it"),
    "weights": Column("integer", "how many weights have this many votes"),
    "share": Column("number", "weights / size"),
    "expected": Column(
        "number", "expected weights, if each mask kept as many at random in each layer; exact"
    ),
    "sd": Column("number", "exact standard deviation under the same null"),
    "z": Column("number", "(weights - expected) / sd"),
    "log10_p": Column(
        "number",
        "log10 of the two-sided p: exact for 0 and N votes, between them by a normal law where 10 "
        "or more are expected",
    ),
    "normalized": Column(
        "number",
        "0 votes: share of what disjoint masks could cover; N votes: share of the smallest mask "
        "(Grosse & Backes 2020, Figure 4)",
    ),
    "omnibus_df": Column("integer", "degrees of freedom of the layer's omnibus test"),
    "omnibus_log10_p": Column(
        "number", "log10 p of the layer's whole histogram (chi-square); the same in each row"
    ),
    "in_ticket": Column("flag", "whether these weights are in the consensus ticket"),
    "note": Column("text", "same-run: two of the masks are of one run, so nothing is tested"),
}

BASELINE_COLUMNS = {
    "baseline_mean": Column("number", "mean by Grosse & Backes (2020), Eq. 4 and cumulative Eq. 6"),
    "baseline_printed_mean": Column("number", "mean by their formula letter by letter"),
    "baseline_half_width": Column("number", "their spread as printed; no valid spread"),
    "baseline_repaired": Column("number", "half-width by a chain of three standard deviations"),
    "baseline_note": Column("text", "what of the baseline can be used"),
}

_LN10 = math.log(10)


def vote_bins(
    histogram: IntArray, layout: Layout, kept: IntArray, least: int
) -> dict[str, list[Cell]]:
    """Return the columns of a consensus, one row a layer and number of votes, the total last.

    Parameters
    ----------
    histogram : int64 (n_layers, N + 1)
        Weights by votes.
    layout
        The layers.
    kept : int64 (N, n_layers)
        Weights that each mask keeps.
    least
        Votes that the ticket asks for.

    Returns
    -------
    dict
        By the names of `CONSENSUS_COLUMNS`.
    """
    n = kept.shape[0]
    layers = [(int(size), kept[:, i].tolist()) for i, size in enumerate(layout.sizes)]
    columns: dict[str, list[Cell]] = {name: [] for name in CONSENSUS_COLUMNS}
    moments = layer_bin_moments(layers)
    for name, counts, (size, sizes), of_layer in zip(
        layout.names, histogram, layers, moments, strict=True
    ):
        tails = (
            kept_by_none_log_tails(int(counts[0]), size, sizes),
            shared_by_all_log_tails(int(counts[n]), size, sizes),
        )
        _add_layer(columns, name, size, counts, of_layer, tails, sizes)
    total = histogram.sum(axis=0)
    tails = (
        total_kept_by_none_log_tails(int(total[0]), layers),
        total_shared_by_all_log_tails(int(total[n]), layers),
    )
    whole = summed_bin_moments(moments)
    _add_layer(columns, "total", layout.size, total, whole, tails, kept.sum(axis=1).tolist())
    columns["in_ticket"] = [votes >= least for _ in (*layers, None) for votes in range(n + 1)]
    columns["note"] = [None] * len(columns["layer"])
    return columns


def _add_layer(
    columns: dict[str, list[Cell]],
    name: str,
    size: int,
    counts: IntArray,
    moments: BinMoments,
    tails: Sequence[tuple[float, float, float]],
    sizes: Sequence[int],
) -> None:
    """Append one layer's rows."""
    n = counts.size - 1
    sd = np.sqrt(np.maximum(np.diag(moments.cov), 0))
    sd = np.where(sd > 1e-9 * math.sqrt(size), sd, 0)
    omnibus = bins_omnibus(counts, moments) if n > 1 else None
    for votes, weights in enumerate(counts.tolist()):
        mean, spread = float(moments.mean[votes]), float(sd[votes])
        row: dict[str, Cell] = {
            "layer": name,
            "size": size,
            "masks": n,
            "votes": votes,
            "weights": weights,
            "share": weights / size,
            "expected": mean,
            "sd": spread,
            "z": (weights - mean) / spread if spread else None,
            "log10_p": _log10_p(votes, n, weights, mean, spread, tails),
            "normalized": _normalized(votes, n, weights, size, sizes),
            "omnibus_df": omnibus.df if omnibus else None,
            "omnibus_log10_p": omnibus.log10_p if omnibus else None,
        }
        for key, value in row.items():
            columns[key].append(value)


def _log10_p(
    votes: int,
    n: int,
    weights: int,
    mean: float,
    sd: float,
    tails: Sequence[tuple[float, float, float]],
) -> float | None:
    """Double the smaller exact tail at the ends; use the normal law between them."""
    if not sd:
        return None
    if votes in (0, n) or n == 2:  # of two masks, one overlap settles every bin
        at_most, at_least, _ = tails[0 if votes == 0 else 1]
        return min(0.0, math.log(2) + min(at_most, at_least)) / _LN10
    log_p = bin_log_p(weights, mean, sd)
    return None if log_p is None else log_p / _LN10


def _normalized(votes: int, n: int, weights: int, size: int, sizes: Sequence[int]) -> float | None:
    if votes == n:
        return figure4_shared(weights, sizes)
    return figure4_never(weights, size, sizes).of_coverable if votes == 0 else None


def baseline_columns(layout: Layout, kept: IntArray) -> dict[str, list[Cell]]:
    """Return the baseline of Grosse & Backes (2020), Appendix B, for 0 and N votes.

    Parameters
    ----------
    layout
        The layers.
    kept : int64 (N, n_layers)
        Weights that each mask keeps.

    Returns
    -------
    dict
        By the names of `BASELINE_COLUMNS`, in the row order of `vote_bins`; totals have none.
    """
    from maskstat.stats.grosse_baseline import grosse_never, grosse_shared

    n = kept.shape[0]
    columns: dict[str, list[Cell]] = {name: [] for name in BASELINE_COLUMNS}
    for index in range(len(layout.layers) + 1):
        for votes in range(n + 1):
            row: dict[str, Cell] = dict.fromkeys(BASELINE_COLUMNS)
            if index < len(layout.layers) and votes in (0, n):
                of = grosse_never if votes == 0 else grosse_shared
                baseline = of(int(layout.sizes[index]), kept[:, index].tolist())
                literal, *_, repaired = baseline.spreads
                row = {
                    "baseline_mean": baseline.mean,
                    "baseline_printed_mean": baseline.printed_mean,
                    "baseline_half_width": literal.half_width,
                    "baseline_repaired": repaired.half_width,
                    "baseline_note": baseline.note,
                }
            for key, value in row.items():
                columns[key].append(value)
    return columns
