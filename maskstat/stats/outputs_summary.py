"""Similarity of outputs averaged over pairs: within and between groups of runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from maskstat.stats.summary import group_values, standard_error
from maskstat.table import Cell, Column, Table, require_table

__all__ = ["AVERAGED", "OUTPUT_SUMMARY_COLUMNS", "summarize_outputs"]

AVERAGED = ("cka", "cka_biased", "rms", "agreement", "kappa", "error_kappa")
"""Columns of `maskstat.outputs` that are averaged."""

OUTPUT_SUMMARY_COLUMNS = {
    "group": Column("text", "all, or within / between by the key that pairs were grouped by"),
    "iteration": Column("integer", "pruning iteration; empty where the two differ"),
    "dataset": Column("text", "data set of the examples"),
    "pairs": Column("integer", "pairs of networks"),
    "runs": Column("integer", "runs that the pairs are made of: the replicates"),
    **{name: Column("number", f"mean of {name} over the pairs") for name in AVERAGED},
    **{
        f"{name}_se": Column("number", f"standard error of {name}, leaving out one run at a time")
        for name in AVERAGED
    },
}


def summarize_outputs(comparison: Table, *, group_by: str | None = None) -> Table:
    """Average a comparison of outputs over its pairs, by iteration and group.

    Parameters
    ----------
    comparison
        From `maskstat.outputs`.
    group_by
        One of `maskstat.stats.summary.GROUP_KEYS`: pairs whose runs agree in it are ``within``,
        others ``between``. None puts all pairs into one group.

    Returns
    -------
    Table
        A row a group and iteration; pairs for which a value does not exist are left out of it.

    Raises
    ------
    UsageError
        There is no such key, or a run does not have it.
    InputError
        The table is another function's.

    Notes
    -----
    Grosse & Backes (2020), Figures 6, 9 and 15: similarity within and across seeds. Pairs that
    share a run depend on each other, so the standard errors leave out one run at a time.
    """
    require_table(comparison, "maskstat.outputs/1", source="outputs")
    value_of = group_values(comparison, group_by) if group_by else None
    groups: dict[tuple[str, int | None], list[dict[str, Cell]]] = {}
    for row in comparison:
        iteration = row["iteration_a"] if row["iteration_a"] == row["iteration_b"] else None
        group = "all"
        if value_of is not None:
            same = value_of[str(row["a"])] == value_of[str(row["b"])]
            group = "within" if same else "between"
        key = (group, iteration if isinstance(iteration, int) else None)
        groups.setdefault(key, []).append(row)
    ordered = sorted(groups, key=lambda key: key[0] == "between")
    rows = [{"group": key[0], "iteration": key[1], **_averages(groups[key])} for key in ordered]
    return Table(
        schema="maskstat.outputs-summary/1",
        columns=OUTPUT_SUMMARY_COLUMNS,
        data={name: [row[name] for row in rows] for name in OUTPUT_SUMMARY_COLUMNS},
        inputs=comparison.inputs,
        parameters={**comparison.parameters, "group_by": group_by},
    )


def _averages(rows: Sequence[Mapping[str, Any]]) -> dict[str, Cell]:
    """Average each measure over the pairs that have it."""
    result: dict[str, Cell] = {
        "dataset": str(rows[0]["dataset"]),
        "pairs": len(rows),
        "runs": len({row[side] for row in rows for side in ("a", "b")}),
    }
    for name in AVERAGED:
        known = [row for row in rows if row[name] is not None]
        values = np.array([row[name] for row in known], np.float64)
        result[name] = float(values.mean()) if known else None
        result[f"{name}_se"] = standard_error(known, values)[0] if known else None
    return result
